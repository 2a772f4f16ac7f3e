import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readCopy, readExec, readIgnore, readStages } from '../../../scripts/container-parts/dockerfile.ts';

// The image is not built here: scripts/check-container.ts carries out its steps without Docker.
const stages = readStages('Dockerfile');
const last = stages.at(-1)!;
const textOf = (name: string) => last.instructions.find((instruction) => instruction.name === name)?.text ?? '';
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const isIgnored = readIgnore('.dockerignore');
const tracked = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).trim().split('\n');

describe('Dockerfile', () => {
  it('is of one release of Node with long-term support, that the package allows', () => {
    expect(new Set(stages.map(({ image }) => image)).size).toBe(1);
    const [, major] = /^node:(\d+)\.\d+\.\d+-[a-z]+-slim$/.exec(last.image) ?? [];
    expect(manifest.engines.node).toBe('>=20.19');
    expect(Number(major)).toBeGreaterThan(20);
    expect(Number(major) % 2).toBe(0);
  });

  it('copies what exists and reaches the build', () => {
    const copies = stages.flatMap(({ instructions }) => instructions.filter(({ name }) => name === 'COPY'));
    const sources = copies.map(({ text }) => readCopy(text)).filter(({ from }) => from === undefined);
    expect(sources.flatMap((copy) => copy.sources)).toContain('.');
    for (const path of sources.flatMap((copy) => copy.sources)) {
      expect([path, existsSync(path), isIgnored(path)]).toEqual([path, true, false]);
    }
  });

  it('gets all that is published and all that it is built from', () => {
    const needed = [...manifest.files.filter((name: string) => name !== 'dist'), 'src', 'web', 'tsconfig.build.json'];
    const wanted = tracked.filter((path) => needed.some((name) => path === name || path.startsWith(`${name}/`)));
    expect(wanted.length).toBeGreaterThan(200);
    expect(wanted.filter(isIgnored)).toEqual([]);
  });

  it('keeps secrets, history and what is built here out', () => {
    for (const path of ['secrets/database-password', '.git/config', 'node_modules/pg/package.json', 'dist/index.js']) {
      expect([path, isIgnored(path)]).toEqual([path, true]);
    }
  });

  it('ends with a server of another user than root, which gets signals and is asked for its health', () => {
    expect(textOf('USER')).toBe('node');
    expect(readExec(textOf('ENTRYPOINT'))).toEqual(['itera-lite']);
    expect(readExec(textOf('CMD'))).toEqual(['serve', '--host', '0.0.0.0', '--keys', 'keys.json']);
    expect(readExec(textOf('HEALTHCHECK')).slice(0, 2)).toEqual(['node', '-e']);
    expect(textOf('HEALTHCHECK')).toContain('http://127.0.0.1:8080/health');
    expect(readExec(textOf('VOLUME'))).toEqual([textOf('WORKDIR')]);
  });
});

describe('compose.yaml', () => {
  const compose = readFileSync('compose.yaml', 'utf8');
  const services = compose.slice(compose.indexOf('\nservices:'), compose.indexOf('\nsecrets:'));
  const parts = services.split(/^ {2}(?=\w+:$)/m).slice(1);

  it('gives each service no more than it needs', () => {
    expect(parts.map((part) => part.slice(0, part.indexOf(':')))).toEqual(['server', 'database']);
    for (const part of parts) {
      expect(part).toMatch(/^ {4}read_only: true$/m);
      expect(part).toMatch(/^ {4}cap_drop: \[ALL\]$/m);
      expect(part).toMatch(/^ {4}security_opt: \['no-new-privileges:true'\]$/m);
      expect(part).toMatch(/^ {4}mem_limit: \d+[mg]$/m);
      expect(part).toMatch(/^ {4}tmpfs: \['\/tmp'/m);
    }
  });

  it('lets this machine in, and nobody else', () => {
    const ports = [...services.matchAll(/^ {4}ports: (.*)$/gm)].map(([, list]) => list);
    expect(ports).toEqual(["['127.0.0.1:8080:8080']"]);
  });

  it('holds no password: it is in a file that is never committed', () => {
    expect(compose).toMatch(/^ {4}file: \.\/secrets\/database-password$/m);
    expect(readFileSync('.gitignore', 'utf8').split('\n')).toContain('/secrets/');
    expect(compose).not.toMatch(/postgres(ql)?:\/\/[^\s@]*:[^\s@]*@/);
    expect([...compose.matchAll(/^ *\w*PASSWORD\w*: (.*)$/gm)].map(([, value]) => value)).toEqual(
      Array(2).fill('/run/secrets/database-password'),
    );
  });
});
