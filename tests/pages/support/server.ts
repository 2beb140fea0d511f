// The real binary in a folder of its own, with the calls a test wants, and a phone that listens.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BEGIN, everyday, goingOn, many, seeded } from './seed.ts';

/** Names and roles of who may come in where tokens are asked for. */
export const TOKENS = {
  viewer: { name: 'Han Meimei', role: 'viewer', token: 'viewer-token-of-the-tests-00000001' },
  first: { name: 'Li Lei', role: 'responder', token: 'responder-token-of-the-tests-00001' },
  second: { name: 'Wang Fang', role: 'responder', token: 'responder-token-of-the-tests-00002' },
  admin: { name: 'Root', role: 'admin', token: 'admin-token-of-the-tests-000000001' },
};

export type Kind = 'seeded' | 'pictures' | 'many' | 'tokens' | 'empty' | 'below';

const BINARY = process.env.RAMPART_BINARY ?? resolve(import.meta.dirname, '../../../target/debug/rampart');
// Where no token is asked for, nobody looks at it.
const ADMIN = { authorization: `Bearer ${TOKENS.admin.token}` };
const PATIENCE = 25_000;

const RULES = `version: rampart/v1
groups:
  - name: guide
    functions: ["guide/feed"]
    every: 1s
    by: [function, unit]
    rules:
      - alert: SuccessRateLow
        success_rate: {below: 99%, over: 30s, min_calls: 20}
        keep_firing_for: 10m
        severity: critical
        annotations: {summary: "{{ id }} at {{ value | percent }} in unit {{ unit }}"}
`;

const ALERTING = `time_zone: Asia/Shanghai
receivers:
  - name: team-chat
    webhook: {url: "http://127.0.0.1:{PHONE}/chat"}
route:
  receiver: team-chat
  routes:
    - matchers: ['severity="critical"']
      escalation: night
escalations:
  night:
    steps:
      - {after: 0s, notify: [team-chat]}
      - {after: 10m, notify: [team-chat]}
    acknowledged_for: 30m
`;

const MAIN = `collector:
  sources:
    - name: sdk
      http: {expect_every: 1h}
      format: rampart-json
teams:
  team-guide: {owns: ["guide/*"], im: team-chat}
  team-travel: {owns: ["travel/*"], im: team-chat}
rules: {files: [rules.yaml]}
alerting: {file: alerting.yaml}
`;

const AUTH = `auth:
  tokens:
${Object.values(TOKENS).map(({ name, role, token }) => `    - {name: ${name}, role: ${role}, token: ${token}}`).join('\n')}
`;

/** Writes the configuration; gives the path of the main file. */
export function configure(folder: string, phone: number, kind: Kind): string {
  writeFileSync(join(folder, 'rules.yaml'), RULES);
  writeFileSync(join(folder, 'alerting.yaml'), ALERTING.replace('{PHONE}', String(phone)));
  const main = join(folder, 'rampart.yaml');
  const more = kind === 'tokens' ? AUTH : kind === 'below' ? 'external_url: http://127.0.0.1:9650/guard/\n' : '';
  writeFileSync(main, MAIN + more);
  return main;
}

export class Server {
  private ended = false;

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    private readonly phone: HttpServer,
    readonly url: string,
    /** What the phone heard. */
    readonly heard: unknown[],
    readonly said: string[],
    /** What its clock is ahead of ours, in milliseconds. */
    readonly shift: number,
  ) {}

  static async start(kind: Kind): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), 'rampart-pages-'));
    const heard: unknown[] = [];
    const phone = await listening(heard);
    const config = configure(folder, (phone.address() as AddressInfo).port, kind);
    const args = ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(folder, 'data'), '--config', config, '--clock', new Date(BEGIN).toISOString()];
    const { RAMPART_CONFIG: _config, RAMPART_URL: _url, RAMPART_TOKEN: _token, ...environment } = process.env;
    const child = spawn(BINARY, args, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
    const said: string[] = [];
    const shift = BEGIN - Date.now();
    try {
      const url = await address(child, said);
      const server = new Server(child, folder, phone, url, heard, said, shift);
      if (kind === 'seeded' || kind === 'tokens') await server.send(seeded(BEGIN));
      if (kind === 'pictures' || kind === 'below') await server.send(everyday(BEGIN));
      if (kind === 'many') await server.send(many(BEGIN));
      return server;
    } catch (error) {
      child.kill('SIGKILL');
      phone.close();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async send(bodies: string[]): Promise<void> {
    for (const body of bodies) {
      const answer = await fetch(`${this.url}/api/v1/invocations`, { method: 'POST', body, headers: ADMIN });
      const said = (await answer.json()) as { rejected?: number };
      if (!answer.ok || said.rejected !== 0) throw new Error(`the calls were not taken: ${JSON.stringify(said).slice(0, 500)}`);
    }
  }

  async get<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.url}${path}`, { headers: ADMIN });
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** Waits until an incident is open. */
  async incident(): Promise<{ id: string; title: string; status: string }> {
    const until = Date.now() + PATIENCE;
    while (Date.now() < until) {
      const list = await this.get<{ incidents: { id: string; title: string; status: string }[] }>('/api/v1/incidents');
      if (list.incidents[0]) return list.incidents[0];
      await new Promise((done) => setTimeout(done, 200));
    }
    throw new Error(`no incident opened:\n${this.said.slice(-20).join('\n')}`);
  }

  /** Sends everyday's calls as they happen, until the function it gives is called. */
  goOn(): () => void {
    let told = BEGIN - 500;
    const timer = setInterval(() => {
      const now = Date.now() + this.shift - 300;
      const body = goingOn(told, now);
      told = now;
      if (body) this.send([body]).catch((error) => console.error(error));
    }, 500);
    return () => clearInterval(timer);
  }

  /** No goodbye. */
  async kill(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    const gone = new Promise((done) => this.child.once('exit', done));
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL');
      await gone;
    }
  }

  async stop(): Promise<void> {
    await this.kill();
    this.phone.closeAllConnections();
    await new Promise((done) => this.phone.close(done));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function listening(heard: unknown[]): Promise<HttpServer> {
  const phone = createServer((request, answer) => {
    let body = '';
    request.on('data', (part) => { body += part; });
    request.on('end', () => {
      heard.push(JSON.parse(body));
      answer.end('ok');
    });
  });
  return new Promise((done) => phone.listen(0, '127.0.0.1', () => done(phone)));
}

function address(child: ChildProcess, said: string[]): Promise<string> {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error(`the server did not start:\n${said.join('\n')}`)), PATIENCE);
    child.once('error', failed);
    child.once('exit', (code) => failed(new Error(`the server ended with ${code}:\n${said.join('\n')}`)));
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (part: string) => {
      const lines = (rest + part).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (said.push(line) > 2_000) said.shift();
        const found = line.startsWith('Listening on ') ? line.split('address=')[1] : undefined;
        if (!found) continue;
        clearTimeout(timer);
        done(`http://${found.trim()}`);
      }
    });
  });
}
