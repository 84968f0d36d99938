'use strict';
// Builds connectors packages in the shape of the published @owox/connectors 0.11.0 and 0.31.0:
// package.json, one CommonJS bundle of 0.8 MB beside an ES module, and the classes in the style of
// each. Written from a description of the shape; nothing of the real package is in it.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { writeFiles } = require('../support/temp');

const read = (name) => fs.readFileSync(path.join(__dirname, name), 'utf8');

const aws = (name, version, names) => ({ name: `@aws-sdk/${name}`, version, global: names });
const ATHENA = [
  aws('client-athena', '3.817.0', ['AthenaClient', 'StartQueryExecutionCommand']),
  aws('client-s3', '3.817.0', ['S3Client', 'PutObjectCommand']),
  aws('lib-storage', '3.817.0', ['Upload']),
];
const BIGQUERY = { name: '@google-cloud/bigquery', version: '^7.9.4', global: ['BigQuery'] };

/** The dependencies of storages' manifests. */
const STORAGES = {
  '0.11.0': { GoogleBigQuery: [BIGQUERY], AwsAthena: ATHENA },
  '0.31.0': {
    GoogleBigQuery: [
      { ...BIGQUERY, version: '^8.1.1' },
      { name: 'google-auth-library', version: '^10.1.0', global: ['OAuth2Client'] },
    ],
    AwsAthena: ATHENA,
    AwsRedshift: [
      aws('client-redshift-data', '3.940.0', ['RedshiftDataClient', 'ExecuteStatementCommand']),
    ],
    // names that are no property of the module: the module itself is meant
    Snowflake: [{ name: 'snowflake-sdk', version: '^1.6.20', global: ['snowflake'] }],
    Databricks: [{ name: '@databricks/sql', version: '^1.12.0', global: ['databricks'] }],
  },
};

/** Sources that are only there: their names, as the whole package has so many. */
const FURTHER = {
  '0.11.0': [
    'CriteoAds',
    'GitHub',
    'LinkedInAds',
    'OpenExchangeRates',
    'OpenHolidays',
    'RedditAds',
    'XAds',
  ],
  '0.31.0': [
    ...['CriteoAds', 'GitHub', 'GoogleAds', 'HubSpot', 'LinkedInAds', 'LinkedInPages'],
    ...['OpenExchangeRates', 'OpenHolidays', 'RedditAds', 'Shopify', 'XAds'],
  ],
};

const MANIFESTS = {
  '0.11.0': {},
  '0.31.0': {
    bin: { 'owox-connector-runner': './dist/connector-runner.cjs' },
    dependencies: {
      '@aws-sdk/client-athena': '^3.983.0',
      '@aws-sdk/client-redshift-data': '^3.983.0',
      '@aws-sdk/client-s3': '^3.983.0',
      '@aws-sdk/lib-storage': '^3.983.0',
      '@databricks/sql': '^1.12.0',
      '@google-cloud/bigquery': '^8.1.1',
      'adm-zip': '^0.6.0',
      'snowflake-sdk': '^2.3.3',
    },
  },
};

const RUNNER_EXPORT = { './runner': { require: './dist/connector-runner.cjs' } };

/** The package.json of a version. */
function manifestOf(version) {
  const entry = { import: './dist/index.js', require: './dist/index.cjs' };
  return {
    name: '@owox/connectors',
    version,
    description: 'Connectors and storages for different data sources',
    license: 'MIT',
    type: 'module',
    files: ['dist/**/*.js', 'dist/**/*.cjs'],
    exports: { '.': entry, ...(version === '0.31.0' ? RUNNER_EXPORT : {}) },
    ...MANIFESTS[version],
  };
}

/** The parts of a file: name → text. */
function partsOf(text) {
  const [, ...parts] = text.split(/^\/\/ === /m);
  return Object.fromEntries(
    parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]),
  );
}

const classesIn = (text) =>
  [...text.matchAll(/^(?:var|class|const) ([A-Z]\w+)/gm)].map(([, name]) => name);

/** Fields as the real ones list them by the hundred: they are most of the bundle. */
function fields(name) {
  const all = { date: { type: 'string' }, label: { type: 'string' } };
  for (let at = 0; at < 330; at += 1) {
    all[`${name.toLowerCase()}_metric_${at}`] = {
      type: at % 3 === 0 ? 'number' : 'string',
      description: `The ${at}th of the metrics of ${name}, for each day, campaign and — where there is one — ад.`,
    };
  }
  return all;
}

/** One source or storage in a scope of its own, with its manifest. */
function scope(name, text, core, manifest, before = '') {
  return `const ${name} = (function () {
  const { ${core.join(', ')} } = Core;
${before}${text}
  const manifest = ${JSON.stringify(manifest, null, 2)};
  return { ${classesIn(text).join(', ')}, manifest };
})();
`;
}

function bundle(version) {
  const [major, minor] = version.split('.');
  const style = `${major}.${minor}`;
  const coreText = `${read('core-common.js')}\n${read(`core-${style}.js`)}`.replaceAll(
    "'use strict';\n",
    '',
  );
  const core = classesIn(coreText);
  const sources = partsOf(read(`sources-${style}.js`));
  for (const name of FURTHER[version])
    sources[name] = sources.BankOfCanada.replaceAll('BankOfCanada', name);
  const storages = partsOf(read(`storages-${style}.js`));
  const logo = `data:image/svg+xml;base64,${Buffer.from('<svg/>'.repeat(500)).toString('base64')}`;
  const names = (all) => Object.keys(all).join(', ');
  return [
    "'use strict';",
    coreText,
    `const Core = { ${core.join(', ')} };`,
    ...Object.entries(storages).map(([name, text]) => {
      const node = { enabled: true, dependencies: STORAGES[version][name] };
      const manifest = {
        name: `${name}Storage`,
        title: name,
        version: '0.0.0',
        environment: { node },
      };
      return scope(name, text, core, manifest);
    }),
    ...Object.entries(sources).map(([name, text]) => {
      const manifest = {
        name,
        title: name,
        version: '0.0.0',
        logo,
        docUrl: 'https://docs.example.com',
      };
      return scope(
        name,
        text,
        core,
        manifest,
        `  const FIELDS = ${JSON.stringify(fields(name), null, 2)};\n`,
      );
    }),
    `const Storages = { ${names(storages)} };`,
    `const Connectors = { ${names(sources)} };`,
    `const AvailableConnectors = Object.keys(Connectors);`,
    `const AvailableStorages = Object.keys(Storages);`,
    `const OWOX = { Core, Connectors, Storages, AvailableConnectors, AvailableStorages, ...Connectors, ...Storages };`,
    `if (typeof module !== 'undefined' && module.exports) module.exports = OWOX;`,
    '',
  ].join('\n');
}

/** Writes the package's folder. */
function writePackage(folder, version) {
  const runner = "#!/usr/bin/env node\nconsole.log('the connectors package runs itself');\n";
  return writeFiles(folder, {
    'package.json': manifestOf(version),
    'README.md': '# not published\n',
    'src/Core/AbstractConfig.js': "throw new Error('sources are not published');\n",
    'dist/index.cjs': bundle(version),
    'dist/index.js': "throw new Error('a host requires, and does not import');\n",
    ...(version === '0.31.0' ? { 'dist/connector-runner.cjs': runner } : {}),
  });
}

/** Packs a folder as npm publishes it, and gives the archive's path. */
function pack(folder, destination) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', destination];
  const stdio = ['ignore', 'pipe', 'pipe'];
  const [{ filename }] = JSON.parse(
    execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio }),
  );
  return path.join(destination, filename);
}

module.exports = { FURTHER, STORAGES, pack, writePackage };
