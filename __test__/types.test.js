'use strict';
// The types: used by hosts under both of TypeScript's Node resolutions, and held against the
// classes that napi really makes.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const ts = require('typescript');

const { native } = require('../js/native');
const { root } = require('./support/host');
const { tempFolder } = require('./support/temp');

/** A host project that has the package installed. */
function project(t) {
  const folder = tempFolder(t);
  fs.mkdirSync(path.join(folder, 'node_modules', '@owox'), { recursive: true });
  fs.symlinkSync(root, path.join(folder, 'node_modules', '@owox', 'connector-runner'));
  fs.symlinkSync(
    path.join(root, 'node_modules', '@types'),
    path.join(folder, 'node_modules', '@types'),
  );
  fs.cpSync(path.join(__dirname, 'types'), folder, { recursive: true });
  return folder;
}

/** What the compiler has to say of these files. */
function diagnose(folder, names, options) {
  const host = ts.createCompilerHost({});
  host.getCurrentDirectory = () => folder;
  const program = ts.createProgram(
    names.map((name) => path.join(folder, name)),
    {
      noEmit: true,
      strict: true,
      noImplicitOverride: true,
      esModuleInterop: true,
      target: ts.ScriptTarget.ES2022,
      types: ['node'],
      ...options,
    },
    host,
  );
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ file, messageText }) =>
        `${path.basename(file?.fileName ?? '')}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
}

const RESOLUTIONS = {
  node: { module: ts.ModuleKind.CommonJS, moduleResolution: ts.ModuleResolutionKind.Node10 },
  node16: { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 },
};

for (const [name, options] of Object.entries(RESOLUTIONS)) {
  test(`a host compiles under moduleResolution ${name}`, (t) => {
    const files = name === 'node16' ? ['host.ts', 'deep.ts', 'module.mts'] : ['host.ts', 'deep.ts'];
    assert.deepEqual(diagnose(project(t), files, options), []);
  });
}

test('the check is not blind: a wrong use is an error', (t) => {
  const folder = project(t);
  fs.writeFileSync(
    path.join(folder, 'wrong.ts'),
    `import { Config } from '@owox/connector-runner';\nexport const x: number = new Config(1);\n`,
  );
  assert.equal(diagnose(folder, ['wrong.ts'], RESOLUTIONS.node16).length, 2);
});

/** What README's later blocks take from its first one. */
const GIVEN = `
const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const runner = new ConnectorRunner();
const config = new Config({ name: 'n', source: { name: 's', config: {} }, storage: { name: 't', config: {} } });
const runConfig = new RunConfig();
`;

test("README's programs are typed", (t) => {
  const folder = project(t);
  const text = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  const blocks = [...text.matchAll(/^```javascript\n([^]*?)^```$/gm)].map(([, block]) => block);
  assert.ok(blocks.length >= 4, 'no blocks');
  const names = blocks.map((block, index) => {
    const name = `readme-${index}.js`;
    const begin = index === 0 ? '' : GIVEN;
    fs.writeFileSync(path.join(folder, name), `${begin}(async () => {\n${block}\n})();\n`);
    return name;
  });
  const options = {
    ...RESOLUTIONS.node16,
    allowJs: true,
    checkJs: true,
    noImplicitAny: false,
    useUnknownInCatchVariables: false, // as in a JavaScript project
  };
  assert.deepEqual(diagnose(folder, names, options), []);
  const wrong = `${GIVEN}runner.run('d', 'r', config, runConfig, 'ignore', { onMessages() {} });`;
  fs.writeFileSync(path.join(folder, 'wrong.js'), wrong);
  assert.equal(diagnose(folder, ['wrong.js'], options).length, 1);
});

/** Members of each class in index.d.ts, inherited ones included. */
function declaredMembers() {
  const file = path.join(root, 'index.d.ts');
  const program = ts.createProgram([file], {});
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(
    checker.getSymbolAtLocation(program.getSourceFile(file)),
  );
  const classes = exported.filter(({ flags }) => flags & ts.SymbolFlags.Class);
  return new Map(
    classes.map((symbol) => {
      const members = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol));
      return [symbol.name, members.map(({ name }) => name).sort()];
    }),
  );
}

/** Where JavaScript adds or hides members on purpose. */
const DIFFERENCES = {
  // delegates in JavaScript, so that a service that the user put in its place is called
  ConnectorRunner: { added: ['cancel', 'executionService', 'run', 'stream'] },
  // the environment is an object of the caller's
  ConnectorExecutionService: { added: ['executionEnvironment'], hidden: ['reportRefusal'] },
  // the user's objects, which native code asks through JavaScript
  NodeJsEnvironment: { added: ['dependencyManager', 'templateRenderer'] },
  // steps of `run`, which JavaScript puts together
  ConnectorRunnerCli: {
    added: ['run'],
    hidden: [
      'beginState',
      'begun',
      'completeConfig',
      'connections',
      'endState',
      'explain',
      'failed',
      'isLive',
      'liveLine',
      'perform',
      'plan',
      'precheck',
      'readConfig',
      'reportRefusal',
      'reported',
      'spawned',
      'stderr',
      'stdout',
      'step',
      'stopWaiting',
      'stopping',
      'succeeded',
      'usage',
      'waiting',
    ],
  },
};

test('index.d.ts has the members that the native classes have', () => {
  const declared = declaredMembers();
  const names = Object.keys(native).filter((name) => typeof native[name] === 'function');
  assert.deepEqual(
    [...declared.keys()].sort(),
    [...names, 'ConnectorRunError'].sort(), // the error is made in JavaScript
  );
  for (const name of names) {
    const { added = [], hidden = [] } = DIFFERENCES[name] ?? {};
    const made = Object.getOwnPropertyNames(native[name].prototype).filter(
      (member) => member !== 'constructor' && !hidden.includes(member),
    );
    assert.deepEqual(declared.get(name), [...made, ...added].sort(), name);
  }
});
