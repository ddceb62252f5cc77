/**
 * The engine's configuration files, written anew at every start.
 *
 * Every connection of the embedded engine is its user `default` without a password; who the HTTP client is, is
 * checked before (auth.ts). What nobody may do is left out of that user's grants, so that the engine itself
 * refuses it whatever a statement looks like: reading and writing files (table functions and engines, the
 * directory database behind `default`), URLs and other servers, running programs, BACKUP, users and roles.
 * Data of inserts needs no such grant: the client part of the engine reads it (`FROM INFILE`).
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What of the engine's own configuration can be chosen. */
export interface EngineLimits {
  /** Memory for all queries together, in bytes; 0 lets the engine take 90 % of the machine's. */
  readonly maxMemoryBytes: number;
  /** Default of `max_execution_time` in seconds; 0 for none. */
  readonly maxExecutionSeconds: number;
  /** Longest SQL text in bytes, data of an INSERT not counted. */
  readonly maxQueryBytes: number;
}

const grants = [
  'GRANT SELECT, INSERT, ALTER, CREATE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, CHECK, SHOW, KILL QUERY, dictGet, ' +
    'MOVE PARTITION BETWEEN SHARDS, SYSTEM ON *.*',
  'GRANT SET DEFINER ON *',
  'REVOKE SYSTEM SHUTDOWN ON *.*',
];

function escapeXml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function usersXml(limits: EngineLimits): string {
  const settings: readonly (readonly [string, number])[] = [
    ['implicit_select', 0],
    ['async_insert', 0],
    ['allow_introspection_functions', 0],
    ['max_execution_time', limits.maxExecutionSeconds],
    // The statement is quoted once more to be parsed by formatQuery, which at most doubles it.
    ['max_query_size', 2 * limits.maxQueryBytes + 1024],
  ];
  return `<clickhouse>
  <profiles><default>${settings.map(([name, value]) => `<${name}>${value}</${name}>`).join('')}</default></profiles>
  <quotas><default></default></quotas>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants>${grants.map((grant) => `<query>${grant}</query>`).join('')}</grants>
  </default></users>
</clickhouse>
`;
}

function configXml(usersPath: string, limits: EngineLimits): string {
  return `<clickhouse>
  <users_config>${escapeXml(usersPath)}</users_config>
  <max_server_memory_usage>${limits.maxMemoryBytes}</max_server_memory_usage>
</clickhouse>
`;
}

/** Write the files into a directory. Returns the path to give to the engine. */
export async function writeEngineConfig(directory: string, limits: EngineLimits): Promise<string> {
  const usersPath = join(directory, 'users.xml');
  const configPath = join(directory, 'config.xml');
  await writeFile(usersPath, usersXml(limits), { mode: 0o600 });
  await writeFile(configPath, configXml(usersPath, limits), { mode: 0o600 });
  return configPath;
}
