import { describe, expect, it } from 'vitest';
import { findJava, majorVersion } from './java.ts';

describe('majorVersion', () => {
  it.each([
    ['openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17],
    ['openjdk version "21" 2023-09-19', 21],
    ['java version "1.8.0_292"', 8],
    ['Picked up JAVA_TOOL_OPTIONS: -Dx\nopenjdk version "25-ea" 2025-09-16', 25],
    ['no such thing', undefined],
  ])('reads %j', (printed, version) => {
    expect(majorVersion(printed)).toBe(version);
  });
});

describe('findJava', () => {
  it('says what to install when there is none', async () => {
    const error: unknown = await findJava({ JAVA_HOME: '/nowhere' }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'no-java' });
    expect(String(error)).toMatch(/\/nowhere\/bin\/java.*install a Java runtime of version 17/s);
  });
});
