import { describe, expect, it } from 'vitest';
import { ClientError } from './client-error.ts';
import { Room } from './room.ts';

const never = (): never => {
  throw new Error('not expected');
};

describe('room', () => {
  it('has two bounds', () => {
    const room = new Room(100, 3);
    expect([room.tryTake(60), room.tryTake(41), room.tryTake(40), room.tryTake(0), room.tryTake(0)]).toEqual([
      true,
      false,
      true,
      true,
      false,
    ]);
    expect([room.bytes, room.records]).toEqual([100, 3]);
  });

  it('is given in the order of asking, at once, and nobody overtakes', () => {
    const room = new Room(100, 10);
    const got: string[] = [];
    expect(room.tryTake(90)).toBe(true);
    room.wait(50, () => got.push('large'), never);
    room.wait(5, () => got.push('small'), never);
    expect(room.tryTake(1)).toBe(false);
    room.give(90);
    expect(got).toEqual(['large', 'small']);
    expect([room.bytes, room.waiting]).toEqual([55, 0]);
  });

  it('is given to as many as fit', () => {
    const room = new Room(10, 10);
    const got: number[] = [];
    room.tryTake(10);
    for (const bytes of [4, 4, 4]) room.wait(bytes, () => got.push(bytes), never);
    room.give(10);
    expect(got).toEqual([4, 4]);
    room.give(4);
    expect(got).toEqual([4, 4, 4]);
  });

  it('is refused to all who wait at the end', () => {
    const room = new Room(1, 1);
    room.tryTake(1);
    const refused: string[] = [];
    for (const name of ['a', 'b']) room.wait(1, never, ({ code }) => refused.push(`${name} ${code}`));
    room.refuseWaiters(new ClientError('closed', 'over'));
    expect(refused).toEqual(['a closed', 'b closed']);
    room.give(1);
    expect(room.bytes).toBe(0);
  });
});
