import js from '@eslint/js';
import globals from 'globals';

/** Beyond the recommended rules: only what catches mistakes; Prettier decides how code looks. */
const rules = {
  'array-callback-return': 'error',
  eqeqeq: ['error', 'always', { null: 'ignore' }],
  'no-constructor-return': 'error',
  'no-return-assign': 'error',
  'no-self-compare': 'error',
  'no-throw-literal': 'error',
  'no-unmodified-loop-condition': 'error',
  'no-unreachable-loop': 'error',
  'no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
  'no-use-before-define': ['error', { functions: false, classes: false, variables: false }],
  'no-var': 'error',
  'prefer-const': 'error',
  'prefer-promise-reject-errors': 'error',
};

export default [
  { ignores: ['target/', 'npm/', 'coverage/'] },
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' }, rules },
  { files: ['**/*.js'], languageOptions: { sourceType: 'commonjs', globals: globals.node } },
  { files: ['**/*.mjs'], languageOptions: { sourceType: 'module', globals: globals.nodeBuiltin } },
  {
    files: ['**/*.js'],
    ignores: ['src/cli-wrapper.js', 'src/cli/**'], // two files that only load another one
    rules: { strict: ['error', 'global'] },
  },
  // constructors call super() in a function that turns native errors into the caller's
  { files: ['js/**'], rules: { 'constructor-super': 'off', 'no-this-before-super': 'off' } },
  // __DEPENDENCIES__ is replaced by a list when the file is written for a run
  {
    files: ['src/template/main.js'],
    languageOptions: {
      globals: { __DEPENDENCIES__: 'readonly', __EAGER__: 'readonly', __EVERY_STACK__: 'readonly' },
    },
  },
  // it is written after main.js into one file
  {
    files: ['src/template/check.js'],
    languageOptions: { globals: { inspect: 'readonly', isExpected: 'readonly' } },
    rules: { strict: 'off', 'no-unused-vars': ['error', { varsIgnorePattern: '^prove$' }] },
  },
];
