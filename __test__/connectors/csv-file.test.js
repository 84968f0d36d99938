'use strict';

const assert = require('node:assert/strict');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const http = require('node:http');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { after, test } = require('node:test');
const { Connectors } = require('../../packages/connectors');
const { RecordingConfig } = require('./support/memory');

const folder = mkdtempSync(join(tmpdir(), 'csv-file-'));
after(() => rmSync(folder, { recursive: true }));

/** Without waiting for a server to recover. */
const ONCE = { MaxAttempts: 1 };

let files = 0;
function fileWith(content) {
  files += 1;
  const path = join(folder, `${files}.csv`);
  writeFileSync(path, content);
  return path;
}

async function read(Path, parameters = {}, range = { start: null, end: null }) {
  const config = new RecordingConfig({ Path, ...parameters });
  const source = new Connectors.CsvFile.CsvFileSource(config);
  config.validate();
  const rows = [];
  for await (const batch of source.fetch(source.tables()[0], range)) rows.push(...batch);
  return rows.map((row) => ({ ...row }));
}

async function withServer(handler, use) {
  const server = http.createServer(handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await use(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test('reads a file by path and by file URL', async () => {
  const path = fileWith('a,b\n1,x\n2,\n');
  const rows = [
    { a: '1', b: 'x' },
    { a: '2', b: null },
  ];
  assert.deepEqual(await read(path), rows);
  assert.deepEqual(await read(pathToFileURL(path).href), rows);
});

test('delimiter, header, names, null values', async () => {
  const path = fileWith('1;N/A;""\n2;-;x\n');
  const parameters = { Delimiter: ';', HasHeader: false, NullValues: ['N/A', '-'] };
  assert.deepEqual(await read(path, parameters), [
    { column1: '1', column2: null, column3: null },
    { column1: '2', column2: null, column3: 'x' },
  ]);
  const named = await read(path, { ...parameters, Columns: 'a, b, c' });
  assert.deepEqual(named[1], { a: '2', b: null, c: 'x' });
  const renamed = await read(path, { Delimiter: ';', Columns: ['a', 'b', 'c'] });
  assert.deepEqual(renamed, [{ a: '2', b: '-', c: 'x' }]);
  assert.deepEqual(await read(fileWith('a\tb\n1\t2\n'), { Delimiter: '\\t' }), [
    { a: '1', b: '2' },
  ]);
});

test('selected fields, with keys and date column always among them', async () => {
  const path = fileWith('id,day,a,b\n1,2024-01-01,x,y\n');
  const parameters = { Fields: ['b'], UniqueKeys: ['id'], DateColumn: 'day' };
  assert.deepEqual(await read(path, parameters), [{ id: '1', day: '2024-01-01', b: 'y' }]);
  await assert.rejects(read(path, { Fields: 'c' }), /no column "c", only id, day, a, b/);
  await assert.rejects(read(path, { UniqueKeys: 'key' }), /no column "key"/);
  await assert.rejects(read(path, { Types: ['c: string'] }), /no column "c"/);
  await assert.rejects(read(path, { Types: ['a'] }), /Types has the entry "a": write it like/);
});

test('names that JavaScript has other uses for', async () => {
  const [row] = await read(fileWith('__proto__,constructor,1,a.b\nw,x,y,z\n'));
  assert.deepEqual(Object.entries(row).sort(), [
    ['1', 'y'],
    ['__proto__', 'w'],
    ['a.b', 'z'],
    ['constructor', 'x'],
  ]);
});

test("a last column without a name is left out if it is empty, as in the ECB's file", async () => {
  assert.deepEqual(await read(fileWith('a,b,\n1,2,\n')), [{ a: '1', b: '2' }]);
  assert.deepEqual(await read(fileWith('a,b\n1,2,\n')), [{ a: '1', b: '2' }]);
  await assert.rejects(
    read(fileWith('a,b,\n1,2,3\n')),
    /Line 2 has a value in field 3, which has no name/,
  );
  assert.deepEqual(await read(fileWith(',b\n0,2\n')), [{ column1: '0', b: '2' }]);
});

test('lines that do not fit fail and are named', async () => {
  await assert.rejects(read(fileWith('a,b\n"1\n1",2\n3\n')), /Line 4 has 1 fields instead of 2/);
  await assert.rejects(read(fileWith('a,b\n1,2,3\n')), /Line 2 has 3 fields instead of 2/);
  await assert.rejects(read(fileWith('a,a\n1,2\n')), /2 columns named "a"/);
  await assert.rejects(read(fileWith('')), /empty, without even a header/);
  await assert.rejects(
    read(fileWith('a,b\n'), { Columns: ['a'] }),
    /names 1 columns, but line 1 .* has 2/,
  );
  await assert.rejects(
    read(fileWith('a'), { Delimiter: ',,' }),
    /Delimiter ",," must be one character/,
  );
  assert.deepEqual(await read(fileWith('a,b\n')), []);
});

test('only days in the range, both ends included', async () => {
  const path = fileWith(
    'd\n2024-01-01\n2024-01-02T10:00:00\n2024-01-03\n2024-01-03T23:30:00-05:00\n""\n',
  );
  const days = async (start, end) =>
    (await read(path, { DateColumn: 'd' }, { start, end })).map(({ d }) => d?.slice(8, 10) ?? null);
  assert.deepEqual(await days(null, null), ['01', '02', '03', '03', null]);
  assert.deepEqual(await days('2024-01-02', '2024-01-03'), ['02', '03']);
  assert.deepEqual(await days('2024-01-04', null), ['03']);
  const bad = fileWith('d\n2024-01-01\n01/02/2024\n');
  await assert.rejects(
    read(bad, { DateColumn: 'd' }),
    /Line 3 has the d "01\/02\/2024", which is no ISO/,
  );
});

test('encodings', async () => {
  const utf16 = Buffer.from('\ufeffa\nжук 😀\n', 'utf16le');
  assert.deepEqual(await read(fileWith('\ufeffa\nü\n')), [{ a: 'ü' }]);
  assert.deepEqual(await read(fileWith(utf16), { Encoding: 'utf-16le' }), [{ a: 'жук 😀' }]);
  const latin = fileWith(Buffer.from('a\nü\n', 'latin1'));
  assert.deepEqual(await read(latin, { Encoding: 'windows-1252' }), [{ a: 'ü' }]);
  await assert.rejects(read(latin), /is not encoded in utf-8: set Encoding/);
  await assert.rejects(read(latin, { Encoding: 'klingon' }), /Encoding "klingon" is unknown/);
  assert.deepEqual(await read(fileWith(utf16)), [{ a: 'жук 😀' }]);
  await assert.rejects(read(fileWith(utf16), { Encoding: 'utf-8' }), /set Encoding to utf-16le/);
  utf16.swap16();
  assert.deepEqual(await read(fileWith(utf16)), [{ a: 'жук 😀' }]);
  await assert.rejects(read(fileWith(utf16), { Encoding: 'utf-8' }), /set Encoding to utf-16be/);
  const archive = Buffer.from([0x50, 0x4b, 3, 4, 0xff]);
  await assert.rejects(read(fileWith(archive)), /ZIP archive.* save it as CSV/);
  const unmarked = fileWith(Buffer.from('a,b\n1,2\n', 'utf16le'));
  await assert.rejects(read(unmarked), /header has NUL characters.* utf-16le/);
});

test('a header that looks like another delimiter is told', async () => {
  for (const [header, expected] of [
    ['a;b', /set Delimiter to ;/],
    ['a\tb', /set Delimiter to \\t/],
    ['a', undefined],
  ]) {
    const config = new RecordingConfig({ Path: fileWith(`${header}\n1\n`) });
    const source = new Connectors.CsvFile.CsvFileSource(config);
    await source.fetch(source.tables()[0], { start: null, end: null }).next();
    const [message] = config.of('addWarningToCurrentStatus');
    if (expected) assert.match(message.warning, expected);
    else assert.equal(message, undefined);
  }
});

test('paths that cannot be read', async () => {
  await assert.rejects(read('data/x.csv'), /Path "data\/x.csv" is relative, .* absolute path/);
  await assert.rejects(read(join(folder, 'none.csv')), /there is no such file: check Path/);
  await assert.rejects(read(folder), /it is a folder: name a file in it/);
  await assert.rejects(read('file://elsewhere/x.csv'), /names no file of this machine/);
  await assert.rejects(read(fileWith('<!DOCTYPE html><html>\n<body>')), /web page and no CSV/);
});

test('reads over HTTP as a stream, cut anywhere', async () => {
  const bytes = Buffer.from('a,b\n1,"ж\n😀"\n2,x\n');
  const handler = async (request, response) => {
    for (const byte of bytes) {
      response.write(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
    response.end();
  };
  await withServer(handler, async (url) => {
    assert.deepEqual(await read(`${url}/x.csv`), [
      { a: '1', b: 'ж\n😀' },
      { a: '2', b: 'x' },
    ]);
  });
});

test('HTTP failures say what happened, without the query of the address', async () => {
  const handler = (request, response) => {
    if (request.url.startsWith('/cut')) {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('a\n1\n', () => setTimeout(() => response.destroy(), 20));
      return;
    }
    response.writeHead(Number(request.url.slice(1, 4)));
    response.end('no');
  };
  await withServer(handler, async (url) => {
    for (const [status, remedy] of [
      [404, 'check the address'],
      [403, 'without login'],
      [503, 'later'],
    ]) {
      await assert.rejects(read(`${url}/${status}?token=secret`, ONCE), (error) => {
        assert.match(error.message, new RegExp(`${url}/${status} answered ${status} .*${remedy}`));
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    }
    await assert.rejects(
      read(`${url}/cut?token=secret`, ONCE),
      /\/cut broke off after 4 bytes .*: run again/,
    );
  });
  await assert.rejects(
    read('http://127.0.0.1:1/x.csv'),
    /Cannot reach http:\/\/127.0.0.1:1\/x.csv: /,
  );
});

test('user and password of an address are sent, and never shown', async () => {
  let authorization;
  const handler = (request, response) => {
    ({ authorization } = request.headers);
    response.writeHead(request.url === '/a.csv' ? 200 : 404).end('a\n1\n');
  };
  await withServer(handler, async (base) => {
    const of = (name) => `${base}/${name}`.replace('//', '//me:s3cretword@');
    assert.deepEqual(await read(of('a.csv'), ONCE), [{ a: '1' }]);
    assert.equal(authorization, `Basic ${Buffer.from('me:s3cretword').toString('base64')}`);
    const error = await read(of('b.csv'), ONCE).catch((reason) => reason);
    assert.match(error.message, /answered 404/);
    assert.ok(!error.message.includes('s3cretword'), error.message);
    const broken = await read('http://me:s3cretword@a b/', ONCE).catch((reason) => reason);
    assert.equal(broken.message, 'Path is no http(s) address: correct it');
  });
});

test('the table is named after the file', () => {
  const nameFor = (Path) => {
    const config = new RecordingConfig({ Path });
    return new Connectors.CsvFile.CsvFileSource(config).tables()[0].name;
  };
  assert.equal(nameFor('/data/rates.2024.csv'), 'rates.2024');
  assert.equal(nameFor('C:\\data\\rates.csv'), 'rates');
  assert.equal(nameFor('https://host/a/exchange%20rates.csv?x=1'), 'exchange rates');
  assert.equal(nameFor('https://host/100%.csv'), '100%');
  assert.equal(nameFor('https://host/'), 'csv');
});

test('types are declared by column, which may hold a colon itself', () => {
  const config = new RecordingConfig({ Path: '/x.csv', Types: 'zip: string, a:b:number' });
  const [{ types }] = new Connectors.CsvFile.CsvFileSource(config).tables();
  assert.deepEqual(types, { zip: 'string', 'a:b': 'number' });
});

test('a large file is not held in memory', async () => {
  const line = `${'x'.repeat(1000)},${'y'.repeat(1000)}\n`;
  let sent = 0;
  let mostAhead = 0;
  let received = 0;
  const handler = (request, response) => {
    response.write('a,b\n');
    const push = () => {
      while (sent < 100_000_000) {
        sent += line.length;
        mostAhead = Math.max(mostAhead, sent - received);
        if (!response.write(line)) return response.once('drain', push);
      }
      return response.end();
    };
    push();
  };
  await withServer(handler, async (url) => {
    const source = new Connectors.CsvFile.CsvFileSource(new RecordingConfig({ Path: url }));
    for await (const rows of source.fetch(source.tables()[0], { start: null, end: null })) {
      received += rows.length * line.length;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  assert.equal(received, sent);
  // what the kernel's own buffers hold comes on top
  assert.ok(mostAhead < 40_000_000, `${mostAhead} bytes were waiting`);
});
