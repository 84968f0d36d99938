'use strict';
// Figures for people and for programs.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');

const { median } = require('./measure');

/** What the figures depend on. */
function machine() {
  const [processor] = os.cpus();
  return {
    cores: os.availableParallelism(),
    processor: processor?.model ?? 'unknown',
    memoryMb: Math.round(os.totalmem() / 2 ** 20),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    npm: execFileSync('npm', ['--version'], { encoding: 'utf8' }).trim(),
    hugePages: readOr('/sys/kernel/mm/transparent_hugepage/enabled').match(/\[(\w+)\]/)?.[1],
    load: os.loadavg().map((load) => Math.round(load * 100) / 100),
  };
}

function readOr(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** One line of the table: medians, their ratio, and whether the target is met. */
function judge(row, { label, unit, samples, judge: other, rival: against = row.rival }) {
  const target = other ? row.otherTargets[other] : row.target;
  const ours = median(samples.ours);
  const rival = median(samples.rival);
  const ratio = ours / rival;
  const figure = target.of === 'ours' ? ours : ratio;
  const met = 'atMost' in target ? figure <= target.atMost : figure >= target.atLeast;
  const title = label ? `${row.title}, ${label}` : row.title;
  return {
    row: row.name,
    title,
    unit,
    ours,
    against,
    rival,
    ratio,
    target,
    met,
    samples,
  };
}

function short(number) {
  if (!Number.isFinite(number)) return String(number);
  if (number >= 100) return Math.round(number).toLocaleString('en-US');
  return String(Number(number.toPrecision(number >= 10 ? 3 : 2)));
}

function targetText({ atMost, atLeast, of }, unit) {
  const limit = atMost === undefined ? `≥ ${short(atLeast)}` : `≤ ${short(atMost)}`;
  return of === 'ours' ? `${limit} ${unit}` : limit;
}

/** The table's cells, without a heading. */
function cells(line) {
  return [
    line.row,
    line.title,
    `${short(line.ours)} ${line.unit}`,
    `${short(line.rival)} ${line.unit} (${line.against})`,
    short(line.ratio),
    targetText(line.target, line.unit),
    line.met ? 'met' : 'missed',
  ];
}

const HEADING = ['row', '', 'ours', 'rival', 'ratio', 'target', ''];

/** A table in which the columns are as wide as their widest cell. */
function table(lines) {
  const rows = [HEADING, ...lines.map(cells)];
  const widths = HEADING.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

module.exports = { judge, machine, short, table };
