import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { postgresBin } from '../../requirements.ts';

/** A PostgreSQL server of one test file, which nobody else knows. */
export interface PostgresServer {
  readonly port: number;
  /** Makes an empty database and returns its address. */
  createDatabase(): Promise<string>;
  /** Runs statements as the superuser in a database, by its address. */
  query(url: string, text: string): Promise<readonly Record<string, unknown>[]>;
  /** Stops answering at once, as when the machine is switched off. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Trust, but for the user `locked`, whose password is `secret-word`. */
const access = 'local all all trust\nhost all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n';

export async function startPostgresServer(): Promise<PostgresServer> {
  const owner = findOwner();
  const folder = await mkdtemp(join(tmpdir(), 'itera-postgres-'));
  const [data, port] = [join(folder, 'data'), await findFreePort()];
  await mkdir(data, { mode: 0o700 });
  if (owner) await Promise.all([folder, data].map((path) => chown(path, owner.uid, owner.gid)));
  const parameters = ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'];
  execFileSync(join(postgresBin(), 'initdb'), parameters, { stdio: 'pipe', cwd: folder, ...owner });
  await writeFile(join(data, 'pg_hba.conf'), access);
  const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off', '-c', `unix_socket_directories=${folder}`];
  const child = spawn(join(postgresBin(), 'postgres'), ['-D', data, '-p', `${port}`, ...settings], {
    stdio: 'ignore',
    cwd: folder,
    ...owner,
  });
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, 'exit');
    }
  };
  const stop = async () => {
    await end('SIGQUIT');
    process.off('exit', killAtExit);
    await rm(folder, { recursive: true, force: true });
  };
  const address = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`;
  try {
    await waitUntilReady(address('postgres'), child);
    await query(address('postgres'), "create role locked login password 'secret-word'");
  } catch (error) {
    await stop();
    throw error;
  }
  let databases = 0;
  return {
    port,
    async createDatabase() {
      const name = `store${++databases}`;
      await query(address('postgres'), `create database ${name}`);
      return address(name);
    },
    query,
    kill: () => end('SIGQUIT'),
    stop,
  };
}

/** PostgreSQL refuses to run as root: then Debian's user for it. */
function findOwner(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = ['-u', '-g'].map((part) => Number(execFileSync('id', [part, 'postgres'], { stdio: 'pipe' })));
  return { uid: uid!, gid: gid! };
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function waitUntilReady(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await query(url, 'select 1');
      return;
    } catch (error) {
      if (child.exitCode !== null || tries > 300) throw error;
      await wait(50);
    }
  }
}

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  // The end of the server, where a test asks for it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}
