import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const parent = mkdtempSync(join(tmpdir(), 'weir-schema-check-'));
const copy = join(parent, 'copy');
const linkState = join(copy, 'schemas/migration/link-state.avsc');

interface Schema {
  weir: { partitions: number };
  fields: { name: string; type: unknown; doc: string; default?: unknown }[];
}

function change(edit: (schema: Schema) => void): void {
  const schema = JSON.parse(readFileSync(linkState, 'utf8')) as Schema;
  edit(schema);
  writeFileSync(linkState, JSON.stringify(schema));
}

/** What `npm run check:schemas` runs, on the copy. */
function run(
  program: 'compatibility' | 'generate',
  ...flags: string[]
): { readonly code: number | null; readonly text: string } {
  const script = join(root, `dist/engine/codec/${program}-main.js`);
  const result = spawnSync(process.execPath, [script, copy, ...flags], { cwd: root, encoding: 'utf8' });
  return { code: result.status, text: result.stdout + result.stderr };
}

beforeAll(() => {
  const check = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  expect(check.scripts['check']).toContain('npm run check:static');
  expect(check.scripts['check:static']).toContain('npm run check:schemas');
  expect(check.scripts['check:schemas']).toContain('compatibility-main.js');
  expect(check.scripts['check:schemas']).toContain('generate-main.js --check');
});

beforeEach(() => {
  rmSync(copy, { recursive: true, force: true });
  cpSync(join(root, 'schemas'), join(copy, 'schemas'), { recursive: true });
  cpSync(join(root, 'engine/records'), join(copy, 'engine/records'), { recursive: true });
  cpSync(join(root, '.prettierrc.json'), join(copy, '.prettierrc.json'));
});

afterAll(() => {
  rmSync(parent, { recursive: true, force: true });
});

describe('the schema check', () => {
  test('passes on the schemas as they are', () => {
    expect(run('compatibility')).toEqual({ code: 0, text: '' });
    expect(run('generate', '--check')).toEqual({ code: 0, text: '' });
  });

  test.each<[string, (schema: Schema) => void, string[]]>([
    [
      'a removed field',
      ({ fields }) =>
        fields.splice(
          fields.findIndex((f) => f.name === 'mac'),
          1,
        ),
      ['weir.migration.LinkState', 'mac'],
    ],
    [
      'a field of another type',
      ({ fields }) => {
        fields.find((f) => f.name === 'path_epoch')!.type = 'string';
      },
      ['weir.migration.LinkState', 'path_epoch'],
    ],
    [
      'a new field without a default',
      ({ fields }) => fields.push({ name: 'vlan', type: 'int', doc: 'VLAN id.' }),
      ['weir.migration.LinkState', 'vlan'],
    ],
    [
      'another number of partitions',
      ({ weir }) => {
        weir.partitions = 8;
      },
      ['weir.migration.LinkState', 'partitions'],
    ],
  ])('fails on %s and names it', (_, edit, names) => {
    change(edit);
    const { code, text } = run('compatibility');
    expect(code).toBe(1);
    for (const name of names) expect(text).toContain(name);
  });

  test('accepts a new field with a default, and says that the generated types are stale', () => {
    change(({ fields }) =>
      fields.push({ name: 'vlan', type: 'int', doc: 'VLAN id; 0 for none.', default: 0 }),
    );
    expect(run('compatibility').code).toBe(0);
    const { code, text } = run('generate', '--check');
    expect(code).toBe(1);
    expect(text).toContain('schemas/migration/generated.ts is stale');
  });

  test('refuses a type that has no column, naming file and field', () => {
    change(({ fields }) =>
      fields.push({
        name: 'tags',
        type: ['null', { type: 'array', items: 'string' }],
        doc: 'Tags.',
        default: null,
      }),
    );
    const { code, text } = run('generate', '--check');
    expect(code).toBe(1);
    expect(text).toContain('link-state.avsc');
    expect(text).toContain('tags');
  });
});
