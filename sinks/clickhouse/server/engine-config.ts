/**
 * The engine's configuration files, written anew at every start.
 *
 * Every connection of the embedded engine is its user `default` without a password; who the HTTP client is, is
 * checked before (auth.ts). What nobody may do is left out of that user's grants, so that the engine itself
 * refuses it whatever a statement looks like: reading and writing files (table functions and engines, the
 * directory database behind `default`), URLs and other servers, BACKUP, FREEZE, FETCH, named collections, workloads,
 * reloading of this configuration, users and roles. Settings that name files, disks or another parser are constrained, and
 * experimental ones switched off. What the engine has no right for is refused by its text (confinement.ts).
 * Data of inserts needs no such grant: the client part of the engine reads it (`FROM INFILE`).
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sourceOfEngine } from './server-options.ts';

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
  'GRANT SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, CREATE TEMPORARY TABLE, ' +
    'CREATE TEMPORARY VIEW, CREATE FUNCTION, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, CHECK, SHOW, KILL QUERY, dictGet, ' +
    'MOVE PARTITION BETWEEN SHARDS ON *.*',
  'GRANT SYSTEM DROP CACHE, SYSTEM RELOAD DICTIONARY, SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM MOVES, SYSTEM CLEANUP, ' +
    'SYSTEM VIEWS, SYSTEM STREAMING ENGINES, SYSTEM WAIT LOADING PARTS, SYSTEM FLUSH, SYSTEM LOAD PRIMARY KEY, ' +
    'SYSTEM UNLOAD PRIMARY KEY, SYSTEM RELOAD ASYNCHRONOUS METRICS ON *.*',
  'REVOKE ALTER FETCH PARTITION, ALTER FREEZE PARTITION, ALTER NAMED COLLECTION ON *.*',
  'GRANT SET DEFINER ON *',
];

/** Settings that no statement changes; those of MergeTree have the prefix that constraints want. */
const constantSettings = [
  'dialect', 'format_schema', 'format_template_row', 'format_template_resultset', 'schema_inference_hints',
  'merge_tree_disk', 'merge_tree_table_disk', 'merge_tree_storage_policy', 'allow_introspection_functions',
]; // prettier-ignore

function grantsFor(allowedEngines: readonly string[]): readonly string[] {
  const engines = allowedEngines.flatMap((engine) => [
    `GRANT TABLE ENGINE ON ${engine}`,
    `GRANT READ, WRITE ON ${sourceOfEngine[engine] ?? engine}`,
  ]);
  return [...grants, ...engines];
}

function escapeXml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function usersXml(limits: EngineLimits, allowedEngines: readonly string[]): string {
  const settings: readonly (readonly [string, number])[] = [
    ['implicit_select', 0],
    ['async_insert', 0],
    ['allow_introspection_functions', 0],
    // Switched on for single inserts, whose data has been looked at (query.ts).
    ['input_format_values_interpret_expressions', 0],
    ['input_format_values_deduce_templates_of_expressions', 0],
    ['max_execution_time', limits.maxExecutionSeconds],
    // The statement is quoted once more to be parsed by formatQuery, which at most doubles it.
    ['max_query_size', 2 * limits.maxQueryBytes + 1024],
  ];
  return `<clickhouse>
  <profiles><default>
    ${settings.map(([name, value]) => `<${name}>${value}</${name}>`).join('')}
    <constraints>${constantSettings.map((name) => `<${name}><readonly/></${name}>`).join('')}</constraints>
  </default></profiles>
  <quotas><default></default></quotas>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants>${grantsFor(allowedEngines)
      .map((grant) => `<query>${grant}</query>`)
      .join('')}</grants>
  </default></users>
</clickhouse>
`;
}

function configXml(usersPath: string, limits: EngineLimits): string {
  return `<clickhouse>
  <users_config>${escapeXml(usersPath)}</users_config>
  <allow_feature_tier>1</allow_feature_tier>
  <max_server_memory_usage>${limits.maxMemoryBytes}</max_server_memory_usage>
</clickhouse>
`;
}

/** Write the files into a directory. Returns the path to give to the engine. */
export async function writeEngineConfig(
  directory: string,
  limits: EngineLimits,
  allowedEngines: readonly string[],
): Promise<string> {
  const usersPath = join(directory, 'users.xml');
  const configPath = join(directory, 'config.xml');
  await writeFile(usersPath, usersXml(limits, allowedEngines), { mode: 0o600 });
  await writeFile(configPath, configXml(usersPath, limits), { mode: 0o600 });
  return configPath;
}
