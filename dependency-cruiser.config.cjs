// Import directions of docs/architecture.md. Each rule names the folder that imports and what it may not reach.
const ours =
  '^(engine|schemas|pipelines|sinks|reports|agents|simulators|local|client|dashboard|cli|bench|tests)/';
const except = (...folders) => `^(${folders.join('|')})/`;
const only = (from, ...allowed) => ({
  name: `${from}-imports-only-${allowed.join('-') || 'itself'}`,
  severity: 'error',
  from: { path: `^${from}/`, pathNot: '\\.test\\.ts$' },
  to: { path: ours, pathNot: except(from, ...allowed) },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    only('engine'),
    {
      name: 'schemas-import-only-types-of-the-engine',
      severity: 'error',
      from: { path: '^schemas/', pathNot: '\\.test\\.ts$' },
      to: { path: ours, pathNot: '^(schemas/|engine/topology/stream\\.ts$)' },
    },
    only('pipelines', 'engine', 'schemas'),
    only('sinks', 'engine', 'schemas'),
    only('agents', 'engine', 'schemas'),
    only('simulators', 'engine', 'schemas'),
    only('local'),
    only('client', 'engine', 'schemas'),
    {
      name: 'simulators-use-the-engine-by-its-index',
      severity: 'error',
      from: { path: '^simulators/', pathNot: '\\.test\\.ts$' },
      to: { path: '^engine/', pathNot: '^engine/index\\.ts$' },
    },
    {
      name: 'pipelines-do-not-import-each-other',
      severity: 'error',
      from: { path: '^pipelines/([^/]+)/' },
      to: { path: '^pipelines/([^/]+)/', pathNot: '^pipelines/$1/' },
    },
    {
      name: 'nothing-imports-cli-bench-tests',
      severity: 'error',
      from: { pathNot: '^(cli|bench|tests)/' },
      to: { path: '^(cli|bench|tests)/' },
    },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['weir-source', 'import', 'node', 'default', 'types'],
      mainFields: ['module', 'main'],
    },
  },
};
