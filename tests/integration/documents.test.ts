import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
const documents = tracked.filter((path) => path.endsWith('.md'));

test.each(documents)('every link of %s to a file of the project leads somewhere', (document) => {
  const text = readFileSync(join(root, document), 'utf8');
  const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1]!);
  const missing = links.filter(
    (link) => !link.includes('://') && !existsSync(join(root, dirname(document), link)),
  );
  expect(missing).toEqual([]);
});

describe('the map of the files in docs/architecture.md', () => {
  const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  const map = text.slice(text.indexOf('## Map of the files'));

  test('names only folders that exist', () => {
    const folders = [...map.matchAll(/^\| `([a-z/<>-]+)\/`/gm)].map((match) =>
      match[1]!.replace(/\/?<subsystem>$/, ''),
    );
    expect(folders.length).toBeGreaterThan(15);
    expect(folders.filter((folder) => !existsSync(join(root, folder)))).toEqual([]);
  });

  test('has a row for every folder with sources of its own', () => {
    const folders = new Set(
      tracked
        .filter((path) => /\.(ts|sql)$/.test(path) && !/\/(fixtures|golden)\//.test(path))
        .map((path) => dirname(path)),
    );
    folders.delete('.');
    const named = (folder: string): boolean => {
      const parent = folder.replace(/\/[a-z-]+$/, '');
      return (
        map.includes(`\`${folder}/\``) ||
        map.includes(`\`${parent}/<subsystem>/\``) ||
        map.includes(`\`${parent}/\``)
      );
    };
    expect([...folders].filter((folder) => !named(folder))).toEqual([]);
  });

  test('names only files that exist', () => {
    const rows = [...map.matchAll(/^\| `([a-z/-]+)\/` +\| (.*) \|$/gm)];
    const missing = rows.flatMap(([, folder, what]) =>
      [...what!.matchAll(/`([a-z-]+\.ts)`/g)]
        .map((match) => join(folder!, match[1]!))
        .filter((path) => !existsSync(join(root, path))),
    );
    expect(missing).toEqual([]);
  });
});
