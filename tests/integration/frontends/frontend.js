// A frontend for gateway.v0 in JavaScript: Node's own HTTP/2 over standard input and output, messages written by hand from
// their numbers, the oldest forms of the calls. "do" (BUILDKIT_FRONTEND_OPT_n) tells which.
'use strict';
const http2 = require('http2'), net = require('net'), stream = require('stream'), crypto = require('crypto');

// Messages: [[number, value], …] with integers, texts, bytes or messages as values.
function varint(n) {
  const out = [];
  for (n = BigInt.asUintN(64, BigInt(n)); n > 127n; n >>= 7n) out.push(Number(n & 127n) | 128);
  out.push(Number(n));
  return Buffer.from(out);
}
function encode(fields) {
  return Buffer.concat(fields.flatMap(([number, value]) => {
    if (typeof value === 'number' || typeof value === 'boolean') return [varint(number << 3), varint(Number(value))];
    const data = Array.isArray(value) ? encode(value) : Buffer.from(value);
    return [varint(number << 3 | 2), varint(data.length), data];
  }));
}
function decode(data) {
  const fields = {};
  let at = 0;
  const integer = () => {
    let value = 0n, shift = 0n;
    for (;;) {
      const byte = data[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
      shift += 7n;
    }
  };
  while (at < data.length) {
    const tag = integer(), size = integer();
    const value = (tag & 7) === 2 ? data.subarray(at, at += size) : size;
    (fields[tag >> 3] ??= []).push(value);
  }
  return fields;
}
const text = (fields, number) => (fields[number] ?? [''])[0].toString();

// The connection: what comes in on 0 and goes out on 1.
const input = new net.Socket({fd: 0, readable: true, writable: false}), output = new net.Socket({fd: 1, readable: false, writable: true});
const both = stream.Duplex.from({readable: input, writable: output});
const session = http2.connect('http://localhost', {createConnection: () => both});
session.on('error', error => { console.error(String(error)); process.exit(9); });

class Call {
  constructor(method) {
    this.request = session.request({':method': 'POST', ':path': '/moby.buildkit.v1.frontend.LLBBridge/' + method, 'content-type': 'application/grpc', te: 'trailers'});
    this.answers = [], this.wake = () => {}, this.data = Buffer.alloc(0), this.status = {};
    const note = headers => Object.assign(this.status, headers);
    this.request.on('response', note).on('trailers', note).on('data', data => this.take(data)).on('close', () => { this.over = true; this.wake(); }).on('error', () => {});
  }
  take(data) {
    this.data = Buffer.concat([this.data, data]);
    while (this.data.length >= 5 && this.data.length >= 5 + this.data.readUInt32BE(1)) {
      const end = 5 + this.data.readUInt32BE(1);
      this.answers.push(decode(this.data.subarray(5, end)));
      this.data = this.data.subarray(end);
    }
    this.wake();
  }
  send(fields) {
    const message = encode(fields), head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    this.request.write(Buffer.concat([head, message]));
  }
  // null: there are no more.
  async next() {
    while (this.answers.length === 0 && !this.over) await new Promise(wake => { this.wake = wake; });
    if (this.answers.length > 0) return this.answers.shift();
    if (this.status['grpc-status'] !== '0') throw new Error(decodeURIComponent(this.status['grpc-message'] ?? 'no status'));
    return null;
  }
}
async function call(method, fields) {
  const made = new Call(method);
  made.send(fields);
  made.request.end();
  return made.next();
}

const digest = data => 'sha256:' + crypto.createHash('sha256').update(data).digest('hex');
// pb.Definition of operations that each take the one before; neither platform nor constraints.
function definition(...ops) {
  const made = [];
  for (const op of [...ops, []]) {
    const before = made.length > 0 ? [[1, [[1, digest(made.at(-1))]]]] : [];
    made.push(encode([...before, ...op]));
  }
  return made.map(data => [1, data]);
}
const file = (name, data) => [[4, [[2, [[1, -1], [2, -1], [5, [[1, '/' + name], [2, 0o644], [3, data], [5, -1]]]]]]]];
const image = name => [[3, [[1, 'docker-image://' + name]]]];

const opts = {};
for (const [key, value] of Object.entries(process.env)) {
  if (!key.startsWith('BUILDKIT_FRONTEND_OPT_')) continue;
  const [name, ...rest] = value.split('=');
  opts[name] = rest.join('=');
}

// Result.refDeprecated of a tree.
async function solve(...ops) {
  const answer = await call('Solve', [[1, definition(...ops)], [5, true]]);
  const result = decode(answer[3][0]);
  if (!result[1] || result[3]) throw new Error('no reference of the old form');
  return text(result, 1);
}
const metadata = (key, value) => [10, [[1, key], [2, value]]];
const config = (os, architecture, env) => JSON.stringify({os, architecture, config: {Env: [env]}, rootfs: {type: 'layers'}});

const works = {
  async report() {
    const ref = await solve(file('report', JSON.stringify({opts, node: process.versions.node.split('.').length, uid: process.getuid()})));
    await call('Return', [[1, [[1, ref]]]]);
  },
  // One reference, and a configuration that is named by its platform (before multi-platform results had names of their own).
  async single() {
    const ref = await solve(file('report', '{"single": 1}'));
    const read = await call('ReadFile', [[1, ref], [2, 'report'], [3, [[1, 2], [2, 6]]]]);
    if (text(read, 1) !== 'single') throw new Error('read ' + text(read, 1));
    await call('Return', [[1, [[1, ref], metadata('containerimage.config/linux/amd64', config('linux', 'amd64', 'SINGLE=1'))]]]);
  },
  async platforms() {
    const refs = [], more = [], names = ['linux/amd64', 'linux/arm64'];
    for (const name of names) {
      refs.push([1, [[1, name], [2, await solve(file('report', JSON.stringify({platform: name})))]]]);
      more.push(metadata('containerimage.config/' + name, config(...name.split('/'), 'FOR=' + name)));
    }
    const platforms = names.map(name => ({ID: name, Platform: {os: 'linux', architecture: name.split('/')[1]}}));
    more.push(metadata('refs.platforms', JSON.stringify({Platforms: platforms})));
    await call('Return', [[1, [[2, refs], ...more]]]);
  },
  // The first ones: the last Solve is the result.
  async final() {
    const attrs = {'containerimage.config': Buffer.from(config('linux', 'amd64', 'FINAL=1')).toString('base64')};
    const answer = await call('Solve', [[1, definition(file('report', '{"final": 1}'))], [10, true], [11, JSON.stringify(attrs)]]);
    if (!text(answer, 1)) throw new Error('no reference');
  },
  async container() {
    const ref = await solve(image(opts.base));
    await call('NewContainer', [[1, 'c'], [2, [[3, '/'], [23, ref]]]]);
    const exec = new Call('ExecProcess');
    exec.send([[1, 'p'], [2, [[1, 'c'], [2, [[1, 'sh'], [1, '-c'], [1, 'read line; echo "$line and out"; exit 7'], [2, 'PATH=/bin'], [3, '/']]], [3, 0], [3, 1]]]]);
    exec.send([[1, 'p'], [3, [[3, 'in\n']]]]);
    let out = '', code = -1;
    for (let message = await exec.next(); message !== null; message = await exec.next()) {
      if (message[3]) out += text(decode(message[3][0]), 3);
      if (message[6]) code = decode(message[6][0])[1][0];
      if (message[7]) exec.request.end();
    }
    const released = await call('ReleaseContainer', [[1, 'c']]).then(() => '', error => error.message);
    await call('Return', [[1, [[1, await solve(file('report', JSON.stringify({out, code, released})))]]]]);
  },
  async refuse() {
    await call('Return', [[2, [[1, 9], [2, 'this frontend refuses']]]]);
  },
};

works[opts.do ?? 'report']().then(() => process.exit(0), error => { console.error(String(error)); process.exit(1); });
