/** Bytes of the requests and answers, laid out by hand from https://kafka.apache.org/protocol. */
import { expect, test } from 'vitest';
import {
  addPartitionsCall,
  endTransactionCall,
  findCoordinatorCall,
  initTransactionsCall,
} from './transaction-requests.ts';

const producer = { id: 0x0102n, epoch: 3 };
const idHex = '0002' + '7478';
const producerHex = '0000000000000102' + '0003';
const hex = (text: string): Buffer => Buffer.from(text, 'hex');

test('FindCoordinator asks for the coordinator of a transactional id, and skips the words of an answer', () => {
  const { body, decode } = findCoordinatorCall('tx');
  expect(body.toString('hex')).toBe(`${idHex}01`);
  expect(decode(hex('00000000' + '0000' + 'ffff' + '00000007' + '000161' + '00002384'))).toEqual({
    errorCode: 0,
    nodeId: 7,
  });
  expect(decode(hex('00000000' + '000f' + '00026e6f' + 'ffffffff'))).toEqual({ errorCode: 15, nodeId: -1 });
});

test('InitProducerId carries the id and the time-out', () => {
  const { body, decode } = initTransactionsCall('tx', 256);
  expect(body.toString('hex')).toBe(`${idHex}00000100`);
  expect(decode(hex(`000000000000${producerHex}`))).toEqual({ errorCode: 0, ...producer });
});

test('AddPartitionsToTxn names each partition, and its answer is the reason, not what follows from it', () => {
  const { body, decode } = addPartitionsCall('tx', producer, [
    { topic: 'a', partition: 1 },
    { topic: 'b', partition: 2 },
  ]);
  const places = '00000002' + '000161' + '00000001' + '00000001' + '000162' + '00000001' + '00000002';
  expect(body.toString('hex')).toBe(idHex + producerHex + places);
  const answer = (a: string, b: string): Buffer =>
    hex(`00000000000000020001610000000100000001${a}0001620000000100000002${b}`);
  expect(decode(answer('0000', '0000'))).toBe(0);
  expect(decode(answer('0037', '001d'))).toBe(29);
  expect(decode(answer('0037', '0037'))).toBe(55);
});

test.each([
  [true, '01'],
  [false, '00'],
])('EndTxn with committed %s', (isCommitted, last) => {
  const { body, decode } = endTransactionCall('tx', producer, isCommitted);
  expect(body.toString('hex')).toBe(idHex + producerHex + last);
  expect(decode(hex('00000000' + '0033'))).toBe(51);
});
