/**
 * Installs what would be published into an empty project and uses it there, as library and as command. Needs a build and
 * npm's registry, or its cache: `npm run install-check`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

interface Manifest {
  readonly version: string;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const consumer = resolve('scripts/package-parts/consumer.ts');
const compiler = resolve('node_modules/typescript/bin/tsc');

const options = {
  ...{ target: 'es2023', lib: ['es2023'], types: ['node'], module: 'nodenext', moduleResolution: 'nodenext' },
  ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false },
  outDir: 'built',
};

// Of npm, which runs this, nothing may reach the npm of the other project.
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
// ONNX Runtime's install script would fetch files for NVIDIA's graphics cards from NuGet.
const env = { ...clean, ONNXRUNTIME_NODE_INSTALL: 'skip', NO_UPDATE_NOTIFIER: '1' };

function check(isSo: boolean, what: string, found = ''): void {
  if (!isSo) throw new Error(`Not so: ${what}${found === '' ? '' : `, but: ${found}`}`);
  console.log(`ok: ${what}`);
}

const folder = mkdtempSync(join(tmpdir(), 'itera-install-'));
try {
  const project = join(folder, 'project');
  mkdirSync(project);
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder], {
      encoding: 'utf8',
    }),
  ) as { readonly filename: string }[];
  if (!packed) throw new Error('npm pack made no package.');
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const started = performance.now();
  const types = `@types/node@${manifest.devDependencies['@types/node']}`;
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', ['install', ...quiet, join(folder, packed.filename), types], {
    ...{ cwd: project, env, stdio: ['ignore', 2, 2], timeout: 240_000 },
  });
  check(true, `installed in ${Math.round((performance.now() - started) / 1000)} s`);
  check(!existsSync(join(project, 'node_modules/onnxruntime-web')), 'the optional peer is not installed');

  copyFileSync(consumer, join(project, 'consumer.ts'));
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['consumer.ts'] }));
  execFileSync(process.execPath, [compiler, '-p', '.'], { cwd: project, env, stdio: ['ignore', 2, 2] });
  check(true, 'its types hold in a strict program');
  execFileSync(process.execPath, ['built/consumer.js'], { cwd: project, env, stdio: ['ignore', 'inherit', 'inherit'] });

  const command = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync('npx', ['--no-install', ...args], {
      ...{ cwd: project, env, encoding: 'utf8', timeout: 120_000 },
    });
    return { status, stdout, stderr };
  };
  const version = command('itera-lite', '--version');
  check(version.stdout.trim() === manifest.version, `itera-lite --version: ${manifest.version}`, version.stderr);
  const text = command('itera', 'generate', 'The little dog', '--model', 'itera-lite-micro', '--seed', '1');
  check(text.status === 0 && text.stdout.trim().length > 20, 'itera generate writes', text.stderr);
  const datasets = command('itera-lite', 'datasets');
  check(datasets.status === 0 && /stories/.test(datasets.stdout), 'itera-lite datasets lists', datasets.stderr);
  const versions = command('itera-lite', 'models', 'list', '--store', join(folder, 'store'));
  check(versions.status === 0, 'itera-lite models list opens a store', versions.stderr);
  const web = [
    'bench',
    '--model',
    'itera-lite-micro',
    '--runtime',
    'onnxruntime-web',
    '--tokens',
    '8',
    '--rounds',
    '1',
  ];
  const bench = command('itera-lite', ...web);
  check(
    /onnxruntime-web is not installed: npm install onnxruntime-web/.test(bench.stdout + bench.stderr),
    'what needs the optional peer says so',
    bench.stdout + bench.stderr,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
