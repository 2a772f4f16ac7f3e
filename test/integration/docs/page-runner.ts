import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { chromiumPath } from '../../requirements.ts';
import { type Block, findMissingLine, replaceValues } from './markdown-blocks.ts';
import { linkCommands, linkModules } from './package-folder.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tsx = new URL('../../../node_modules/tsx/dist/esm/index.mjs', import.meta.url).href;
/** The port that pages name; a free one takes its place. */
const usualPort = '8080';

/** Reads a page as its reader does: its blocks in order, in one folder. */
export interface PageRunner {
  readonly folder: string;
  /** @throws Error if the block does not do what the page says. */
  run(block: Block): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param packageFolder - What `makePackage` made: the reader has it as `~/itera-lite`, and starts in an empty folder. Without
 *   it the reader works on a copy of this repository.
 */
export async function createPageRunner(packageFolder?: string): Promise<PageRunner> {
  const base = mkdtempSync(join(tmpdir(), 'itera-docs-'));
  const folder = join(base, 'page');
  const home = join(base, 'home');
  mkdirSync(folder);
  mkdirSync(home);
  if (packageFolder === undefined) copyRepository(folder);
  else {
    symlinkSync(packageFolder, join(home, 'itera-lite'));
    linkCommands(packageFolder, join(base, 'bin'));
    linkModules(packageFolder, folder);
  }
  const port = await findFreePort();
  // What this test was told is not for the reader, who may run tests too.
  const own = /^(ITERA_|VITEST|NODE_ENV$|DATABASE_)/;
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
  const path = [join(base, 'bin'), join(folder, 'node_modules/.bin'), process.env['PATH']].join(':');
  const env = { ...inherited, PATH: path, HOME: home, ITERA_CACHE_DIR: join(base, 'cache'), NO_COLOR: '1' };
  let printed = '';
  let up: { child: ChildProcess; ended: Promise<unknown> } | undefined;

  function start(command: string, args: readonly string[]) {
    printed = '';
    // One pipe for both, or their order would be lost.
    const child = spawn('bash', ['-c', 'exec "$@" 2>&1', 'bash', command, ...args], {
      ...{ cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true },
    });
    child.stdout.on('data', (bytes: Buffer) => {
      printed += bytes.toString();
    });
    return { child, ended: once(child, 'close') };
  }

  async function stop(): Promise<void> {
    if (!up) return;
    const { child, ended } = up;
    up = undefined;
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    await ended;
  }

  async function execute(command: string, args: readonly string[], { notes }: Block): Promise<void> {
    if (notes.staysUp !== undefined) {
      await stop();
      up = start(command, args);
      const gone = up.ended.then(() => Promise.reject(new Error(`It ended before it was ready:\n${printed}`)));
      gone.catch(() => undefined);
      while (!printed.includes(notes.staysUp)) await Promise.race([gone, new Promise((next) => setTimeout(next, 50))]);
      return;
    }
    const [code] = await start(command, args).ended;
    if (code !== notes.exitCode) throw new Error(`Expected to end with ${notes.exitCode}, got ${code}:\n${printed}`);
  }

  function save(file: string, text: string): string {
    const target = join(folder, file);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    return target;
  }

  return {
    folder,
    async run(block) {
      const { language, file, line, notes } = block;
      const text = replaceValues(block).replaceAll(usualPort, port);
      if (file !== undefined) save(file, text);
      if (language === 'sh') await execute('bash', ['-euo', 'pipefail', '-c', text], block);
      else if (language === 'diff') {
        save('change.diff', text);
        await execute('git', ['apply', '-C1', 'change.diff'], block);
      } else if (['ts', 'js'].includes(language)) {
        if (file !== undefined) return;
        const program = save(`line-${line}.${language === 'ts' ? 'mts' : 'mjs'}`, text);
        await execute(process.execPath, ['--import', tsx, program], block);
      } else if (language === 'json') JSON.parse(text);
      else if (language === 'text' && file === undefined && notes.notCompared === undefined) {
        const there = notes.shownBy
          ? () => showPage(notes.shownBy?.replace(usualPort, port) ?? '', text)
          : () => printed;
        const seen = await there();
        const missing = findMissingLine(text, seen);
        if (missing !== undefined) throw new Error(`Expected "${missing}" in what was printed:\n${seen}`);
      }
    },
    async close() {
      await stop();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** What a reader of the contributors' pages changes is a copy. */
function copyRepository(folder: string): void {
  const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  for (const name of new Set(tracked.map((path) => path.split('/')[0] as string))) {
    if (name !== 'models') cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  for (const name of ['models', 'node_modules']) symlinkSync(join(root, name), join(folder, name));
}

async function findFreePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? `${address.port}` : usualPort;
}

/** The text of a web page once it shows what is wanted, or as it is after 30 seconds. */
async function showPage(address: string, wanted: string): Promise<string> {
  const browser = await chromium.launch({
    executablePath: chromiumPath,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    await page.goto(address);
    for (let tries = 0; ; tries++) {
      const text = await page.evaluate('document.body.innerText');
      if (tries === 150 || findMissingLine(wanted, String(text)) === undefined) return [text, ...faults].join('\n');
      await new Promise((next) => setTimeout(next, 200));
    }
  } finally {
    await browser.close();
  }
}
