/** The local store under many kills and many damages; the quick part is in tests/integration. */
import { test } from 'vitest';
import { surviveDamages, surviveKills } from '../integration/task-store.fixture.ts';

test('SIGKILL at any time leaves what the first writes gave, with the offset of the last of them: 30 kills', () =>
  surviveKills(30));

test('a file that is damaged anywhere is thrown away, or was not hurt: 500 random damages', () =>
  surviveDamages(500));
