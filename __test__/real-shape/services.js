'use strict';
// What sources ask and storages fill, on loopback.

const http = require('node:http');

/** A ZIP archive with one entry that is stored as it is. */
function zip(name, text) {
  const [file, data] = [Buffer.from(name), Buffer.from(text)];
  const crc = crc32(data);
  const shared = (header, at) => {
    header.writeUInt16LE(20, at);
    header.writeUInt32LE(crc, at + 10);
    header.writeUInt32LE(data.length, at + 14);
    header.writeUInt32LE(data.length, at + 18);
    header.writeUInt16LE(file.length, at + 22);
    return header;
  };
  const local = shared(Buffer.alloc(30), 4);
  local.writeUInt32LE(0x04034b50, 0);
  const central = shared(Buffer.alloc(46), 6);
  central.writeUInt32LE(0x02014b50, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length + file.length, 12);
  end.writeUInt32LE(local.length + file.length + data.length, 16);
  return Buffer.concat([local, file, data, central, file, end]);
}

function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const rows = (day) => ['a', 'b', 'ж'].map((label) => ({ date: day, label }));

/**
 * Starts the services: `url`, and what storages were told: `rows()`, `statements`, `staged`. With
 * `hold` a source waits for its data until it is ended.
 */
async function startServices(t) {
  const services = { hold: false };
  const statements = [];
  const staged = [];
  const headers = [];
  const answers = {
    rates: (day) => JSON.stringify(rows(day)),
    archive: (day) => {
      const lines = rows(day).map(({ date, label }) => `${date},${label}`);
      return zip('report.csv', `date,label\n${lines.join('\n')}\n`);
    },
    token: () => '{"access_token":"renewed-access-token","refresh_token":"renewed-refresh-token"}',
  };
  const server = http.createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    request.on('end', () => {
      const url = new URL(request.url, 'http://host');
      const name = url.pathname.split('/').at(-1);
      headers.push(request.headers);
      if (services.hold && name === 'rates') return undefined;
      if (url.pathname === '/denied') return response.writeHead(403).end('denied');
      if (Object.hasOwn(answers, name))
        return response.end(answers[name](url.searchParams.get('day')));
      const { sql, QueryString, Sql, Body } = JSON.parse(text);
      if (Body === undefined) statements.push(sql ?? QueryString ?? Sql);
      else staged.push(Body);
      return response.end('[]');
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address();
  const merged = () => statements.filter((text) => text.startsWith('MERGE'));
  Object.assign(services, {
    port,
    url: `http://127.0.0.1:${port}`,
    variables: {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      BIGQUERY_EMULATOR_HOST: `127.0.0.1:${port}`,
    },
    statements,
    staged,
    headers,
    rows: () => merged().flatMap((text) => JSON.parse(text.slice(text.indexOf('[')))),
    forget: () => [statements, staged, headers].forEach((list) => list.splice(0)),
  });
  return services;
}

module.exports = { rows, startServices };
