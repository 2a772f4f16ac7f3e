import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The Python that tests run: `ITERA_PYTHON`, or the system's. */
export const python = process.env['ITERA_PYTHON'] ?? '/usr/bin/python3';

/** The browser that tests run: `ITERA_CHROMIUM`, or Debian's. */
export const chromiumPath = process.env['ITERA_CHROMIUM'] ?? '/usr/bin/chromium';

/** Where Debian keeps the programs of PostgreSQL, by version. */
const postgresVersions = '/usr/lib/postgresql';

/** The oldest PostgreSQL that an adaptation store may be on. */
const oldestPostgres = 15;

/** Folder of the programs of a PostgreSQL server: `ITERA_POSTGRES_BIN`, or Debian's oldest that will do. */
export function postgresBin(): string {
  const chosen = process.env['ITERA_POSTGRES_BIN'];
  if (chosen !== undefined) return chosen;
  const versions = existsSync(postgresVersions) ? readdirSync(postgresVersions).map(Number) : [];
  const [oldest = oldestPostgres] = versions.filter((version) => version >= oldestPostgres).sort((a, b) => a - b);
  return join(postgresVersions, `${oldest}`, 'bin');
}

/** What some tests need beyond `npm ci`: how to look for it, and how to provide it. Looking throws if it is absent. */
const requirements = {
  pytorch: {
    look: () => execFileSync(python, ['-c', 'import torch'], { stdio: 'pipe', timeout: 60_000 }),
    provide: `install PyTorch for ${python} (Debian: apt-get install python3-torch), or set ITERA_PYTHON`,
  },
  python: {
    look: () => execFileSync(python, ['--version'], { stdio: 'pipe', timeout: 60_000 }),
    provide: `install Python 3 as ${python} (Debian: apt-get install python3), or set ITERA_PYTHON`,
  },
  curl: {
    // Older ones hide what a server says of an error.
    look: () => execFileSync('curl', ['--fail-with-body', '--version'], { stdio: 'pipe', timeout: 60_000 }),
    provide: 'install curl 7.76 or newer (Debian: apt-get install curl)',
  },
  chromium: {
    look: () => execFileSync(chromiumPath, ['--version'], { stdio: 'pipe', timeout: 60_000 }),
    provide: `install Chromium as ${chromiumPath} (Debian: apt-get install chromium), or set ITERA_CHROMIUM`,
  },
  postgresql: {
    look: () => {
      for (const program of ['initdb', 'postgres']) {
        execFileSync(join(postgresBin(), program), ['--version'], { stdio: 'pipe', timeout: 60_000 });
      }
    },
    provide:
      'install a PostgreSQL server, 15 or newer (Debian: apt-get install postgresql-15), or set ITERA_POSTGRES_BIN to ' +
      'the folder of its programs',
  },
} as const;

export type Requirement = keyof typeof requirements;

const known = new Map<Requirement, { available: boolean; reason: string }>();

/**
 * Whether this machine has what a test needs: `describe.skipIf(!requirement('pytorch').available)`.
 *
 * @returns `reason` says what is missing and how to provide it; it is empty if nothing is.
 * @throws Error if it is absent and `ITERA_REQUIRE_ALL` is 1, as in continuous integration: a skip is a failure there.
 */
export function requirement(name: Requirement): { available: boolean; reason: string } {
  const found = known.get(name) ?? lookFor(name);
  known.set(name, found);
  if (!found.available && process.env['ITERA_REQUIRE_ALL'] === '1') {
    throw new Error(`ITERA_REQUIRE_ALL is 1, but ${found.reason}`);
  }
  return found;
}

function lookFor(name: Requirement): { available: boolean; reason: string } {
  const { look, provide } = requirements[name];
  try {
    look();
    return { available: true, reason: '' };
  } catch (error) {
    const cause = error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);
    return { available: false, reason: `${name} is not available (${cause}): ${provide}.` };
  }
}
