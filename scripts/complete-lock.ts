/**
 * Adds to `package-lock.json` the entries of platform packages (such as `@rollup/rollup-darwin-arm64`) that npm left
 * out because the registry it asked carries only some platforms. `npm ci` refuses a lock with such a gap, on every
 * platform. Run it after a change of dependencies: `npx tsx scripts/complete-lock.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The part of npm's lock file (version 3) that matters here. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

/** Optional dependencies without an entry in the lock, with what is known of each. */
export function missingPlatforms(lock: Lock): Map<string, { version: string; dev: boolean }> {
  const missing = new Map<string, { version: string; dev: boolean }>();
  for (const [path, locked] of Object.entries(lock.packages)) {
    if (path === '') continue;
    for (const [name, version] of Object.entries(locked.optionalDependencies ?? {})) {
      const places = [`node_modules/${name}`, `${path}/node_modules/${name}`];
      if (!places.some((place) => place in lock.packages)) missing.set(name, { version, dev: locked.dev === true });
    }
  }
  return missing;
}

/**
 * The platform that a package's name ends with, in the words of `package.json`.
 *
 * @returns `undefined` if the name does not name a system and a processor.
 */
export function platformOf(name: string): { os: string[]; cpu: string[]; libc?: string[] } | undefined {
  const words = name.split(/[/-]/);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) return undefined;
  const last = words.at(-1) ?? '';
  if (os === 'linux' && last.startsWith('musl')) return { os: [os], cpu: [cpu], libc: ['musl'] };
  if (os === 'linux' && last.startsWith('gnu')) return { os: [os], cpu: [cpu], libc: ['glibc'] };
  return { os: [os], cpu: [cpu] };
}

/** A copy of the lock with an entry for every optional dependency whose platform its name tells. */
export function completeLock(lock: Lock): Lock {
  const packages: Record<string, LockedPackage> = { ...lock.packages };
  for (const [name, { version, dev }] of missingPlatforms(lock)) {
    const platform = platformOf(name);
    if (platform === undefined || !/^\d/.test(version)) continue;
    const entry = { version, ...platform, ...(dev ? { dev } : {}), optional: true };
    packages[`node_modules/${name}`] = entry;
  }
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  return { ...lock, packages: Object.fromEntries(sorted) };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock;
  const added = missingPlatforms(lock).size;
  writeFileSync('package-lock.json', `${JSON.stringify(completeLock(lock), null, 2)}\n`);
  console.log(`package-lock.json: ${added} platform packages added`);
}
