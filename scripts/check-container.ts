/**
 * Carries out the steps of the Dockerfile without Docker, in a temporary folder, and checks what comes out: that it serves
 * as another user who may write nowhere but in /data and /tmp, and stops on SIGTERM. Takes a minute or two and npm's
 * registry, or its cache: `npx tsx scripts/check-container.ts`. As root it runs the server as a user that nobody is.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { readCopy, readExec, readIgnore, readStages, type Stage } from './container-parts/dockerfile.ts';

const isRoot = process.getuid?.() === 0;
/** Of no user of this machine. */
const stranger = 61_234;
const say = (text: string): void => console.log(text);

function check(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`Not so: ${what}`);
  say(`ok: ${what}`);
}

/** A stage that has been carried out: paths of the image lie below `root`. */
interface Built {
  readonly root: string;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stage: Stage;
}

const isIgnored = readIgnore('.dockerignore');

/** The folder's own root takes the place of `/` for the paths that the Dockerfile names. */
const relocate = (text: string, root: string): string =>
  text.replaceAll(/(?<=^|[\s=])\/(?=(app|build|data|usr\/local\/bin)(\/|\s|$))/g, `${root}/`);

function build(stage: Stage, earlier: ReadonlyMap<string, Built>, root: string): Built {
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  let workdir = root;
  const env: Record<string, string> = {};
  for (const { name, text } of stage.instructions) {
    say(`   ${name} ${text}`);
    if (name === 'WORKDIR') {
      workdir = relocate(text, root);
      mkdirSync(workdir, { recursive: true });
    } else if (name === 'ENV') {
      const [key = '', value = ''] = text.split('=');
      env[key] = relocate(value, root);
    } else if (name === 'COPY') {
      copy(text, earlier, { root, workdir });
    } else if (name === 'RUN') {
      // Users are the image's: here the stranger owns what is given to its user.
      const command = relocate(
        text.replace(/chown node:node/, isRoot ? `chown ${stranger}:${stranger}` : 'true'),
        root,
      );
      execFileSync('sh', ['-euc', command], { cwd: workdir, stdio: ['ignore', 2, 2] });
    }
  }
  return { root, workdir, env, stage };
}

function copy(text: string, earlier: ReadonlyMap<string, Built>, { root, workdir }: Pick<Built, 'root' | 'workdir'>) {
  const { from, sources, target } = readCopy(text);
  const place = resolve(workdir, relocate(target, root));
  for (const source of sources) {
    if (from !== undefined) {
      const stage = earlier.get(from);
      if (!stage) throw new Error(`There is no stage ${from}.`);
      cpSync(relocate(source, stage.root), place, { recursive: true, verbatimSymlinks: true });
      continue;
    }
    const isFolder = lstatSync(source).isDirectory();
    cpSync(source, isFolder ? place : join(place, source), {
      recursive: true,
      filter: (path) => !isIgnored(relative('.', path).split(sep).join('/')),
    });
  }
}

/** All that a tree holds, such that any change of it shows. */
function listTree(root: string): string[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  return entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const { mtimeMs, size, mode } = lstatSync(path);
    return `${path} ${mtimeMs} ${size} ${mode}`;
  });
}

/** Files of the stranger outside the folders that are its own. */
function findStrays(folder: string): string[] {
  const parameters = ['/', '-xdev', '-user', `${stranger}`, '-not', '-path', `${folder}/*`, '-not', '-path', '/proc/*'];
  return execFileSync('find', parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    .split('\n')
    .filter((line) => line !== '');
}

async function serve(image: Built, folder: string): Promise<void> {
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  if (isRoot) chownSync(temporary, stranger, stranger);
  const find = (name: string) => image.stage.instructions.find((instruction) => instruction.name === name)?.text ?? '';
  const [entry = '', ...first] = readExec(find('ENTRYPOINT'));
  const program = join(image.root, 'usr/local/bin', entry);
  // Without a home: nothing may depend on one.
  const env = { PATH: process.env['PATH'], TMPDIR: temporary, ...image.env };
  const as = isRoot ? ['setpriv', `--reuid=${stranger}`, `--regid=${stranger}`, '--clear-groups'] : ['env'];
  const start = (...args: readonly string[]) => {
    const [command = '', ...rest] = [...as, program, ...first, ...args];
    return { command, args: rest, options: { cwd: image.workdir, env } };
  };

  const serving = readExec(find('CMD'));
  const file = serving[serving.indexOf('--keys') + 1] ?? '';
  const making = start('serve', '--create-key', 'check', '--rights', 'infer,feedback', '--keys', file);
  const key = execFileSync(making.command, making.args, { ...making.options, encoding: 'utf8' }).trim();
  check(key.startsWith('itera_'), 'a key is made in /data');

  const running = start(...serving, '--port', '0', '--log-level', 'error');
  const child = spawn(running.command, running.args, { ...running.options, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = await Promise.race([
      once(createInterface(child.stdout), 'line'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`The server ended with ${code}.`))),
    ]);
    check(/^itera-lite-\S+ answers on http:\/\/0\.0\.0\.0:\d+$/.test(line), `the server starts: ${line}`);
    const port = /\d+$/.exec(line)?.[0] ?? '';
    const [probe = '', ...probing] = readExec(find('HEALTHCHECK'));
    execFileSync(
      probe,
      probing.map((word) => word.replace(':8080/', `:${port}/`)),
      { stdio: 'inherit' },
    );
    check(true, 'the health check passes');
    await ask(`http://127.0.0.1:${port}`, key);
  } finally {
    child.kill('SIGTERM');
  }
  const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
  check(code === 0, 'it ends with 0 on SIGTERM');
}

async function ask(address: string, key: string): Promise<void> {
  const post = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${address}${path}`, {
      ...{ method: 'POST', body: JSON.stringify(body) },
      headers: { 'content-type': 'application/json', ...headers },
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const prompt = { input_text: 'Once upon a time', max_length: 8 };
  check((await post('/infer', prompt)).status === 401, 'no key is refused');
  const authorization = `Bearer ${key}`;
  const { status, body } = await post('/infer', prompt, { authorization });
  check(status === 200 && typeof body['output_text'] === 'string', 'a key is answered');
  const judged = { feedback_id: body['inference_id'], user_rating: 4 };
  check((await post('/feedback', judged, { authorization })).status === 200, 'feedback is kept in the store of /data');
}

const folder = mkdtempSync(join(tmpdir(), 'itera-container-'));
try {
  chmodSync(folder, 0o755);
  const built = new Map<string, Built>();
  let image: Built | undefined;
  for (const [index, stage] of readStages('Dockerfile').entries()) {
    say(`   FROM ${stage.image}: here Node ${process.versions.node}`);
    image = build(stage, built, join(folder, `stage-${index}`));
    if (stage.name !== undefined) built.set(stage.name, image);
  }
  if (!image) throw new Error('The Dockerfile has no stage.');
  const app = join(image.root, 'app');
  execFileSync('chmod', ['-R', 'a-w', app]);
  check(existsSync(join(app, 'node_modules')), 'what is needed at run time is there');
  const before = listTree(app);
  await serve(image, folder);
  check(before.join('\n') === listTree(app).join('\n'), 'nothing in /app was changed');
  if (isRoot) check(findStrays(folder).length === 0, 'nothing was written outside /data and /tmp');
} finally {
  execFileSync('chmod', ['-R', 'u+w', folder]);
  rmSync(folder, { recursive: true, force: true });
}
