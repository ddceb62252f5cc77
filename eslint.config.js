import { builtinModules } from 'node:module';
import tseslint from 'typescript-eslint';

/**
 * What a processor returns must follow from its state, the event and `at` alone (I1 of engine/topology/processor.ts): replays
 * are byte-identical only then. Refused here when it is written; the replay driver throws on what a rule cannot see.
 */
const deterministicOnly = {
  files: ['pipelines/**/*.ts'],
  ignores: ['**/*.test.ts', '**/*.fixture.ts'],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        paths: builtinModules.map((name) => ({
          name,
          message: 'Processors do no I/O: take it from events.',
        })),
        patterns: [{ group: ['node:*'], message: 'Processors do no I/O: take it from events.' }],
      },
    ],
    'no-restricted-globals': [
      'error',
      ...[
        'performance',
        'process',
        'crypto',
        'Intl',
        'Temporal',
        'fetch',
        'globalThis',
        'global',
        'setTimeout',
        'setInterval',
        'setImmediate',
        'queueMicrotask',
      ].map((name) => ({
        name,
        message: 'Differs between runs or machines: use the event, `at` or a timer.',
      })),
    ],
    'no-restricted-properties': [
      'error',
      { object: 'Math', property: 'random', message: 'Differs between runs.' },
      { object: 'Date', property: 'now', message: 'Use at.eventTimeMs or at.wallMs.' },
    ],
    'no-restricted-syntax': [
      'error',
      {
        selector: "NewExpression[callee.name='Date'][arguments.length=0]",
        message: 'Use at.eventTimeMs or at.wallMs.',
      },
      { selector: "CallExpression[callee.name='Date']", message: 'Date() tells the time of the run.' },
      {
        selector: 'MemberExpression[property.name=/^(toLocale\\w+|localeCompare)$/]',
        message: "Depends on the machine's locale: use toISOString, toFixed or code unit order.",
      },
      {
        selector: 'ImportExpression',
        message: 'Import statically: what a processor loads must not depend on its run.',
      },
    ],
  },
};

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '**/generated.ts', '.weir/**'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      // Numbers in messages are wanted: offsets, partitions, sizes.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // Hot loops index typed arrays and plain arrays whose bounds the loop has just checked.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `Record<never, never>` is how a processor without tables or timers says so.
      '@typescript-eslint/no-generated-empty-object-type': 'off',
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.test.ts', '**/*.fixture.ts', 'bench/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  deterministicOnly,
  { files: ['**/*.js', '**/*.cjs'], ...tseslint.configs.disableTypeChecked },
);
