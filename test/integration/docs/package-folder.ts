import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Compiled by file, without its types being checked: `npm run types` does that. */
const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ES2022,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
};

/**
 * The package as a reader has it after `npm ci && npm run build`, but for the pages of the web interface: `dist/` made
 * from `src/`, all else links to this repository.
 */
export function makePackage(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(root)) {
    if (!['dist', '.git'].includes(name)) symlinkSync(join(root, name), join(folder, name));
  }
  for (const name of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const source = readFileSync(join(root, 'src', name), 'utf8');
    const target = join(folder, 'dist', name.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, ts.transpileModule(source, { compilerOptions, fileName: name }).outputText);
  }
}

/** The commands of the package, as `npm install --global` puts them on the path. */
export function linkCommands(packageFolder: string, binFolder: string): void {
  mkdirSync(binFolder, { recursive: true });
  for (const [name, program] of Object.entries<string>(manifest.bin)) {
    const path = join(binFolder, name);
    writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${join(packageFolder, program)}' "$@"\n`);
    chmodSync(path, 0o755);
  }
}

/** A `node_modules` with this package and all that it is developed with. */
export function linkModules(packageFolder: string, folder: string): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(modules, { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '.package-lock.json') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  symlinkSync(packageFolder, join(modules, manifest.name));
}

/** What has been parsed, by path: the library is the same for all pages. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** Faults that the compiler finds in files of a folder in which `itera-lite` is this package. */
export function checkTypes(folder: string, files: readonly string[]): string[] {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
  const own = { rootDir: '/', noUnusedLocals: false, paths: { [manifest.name]: [join(root, 'src/index.ts')] } };
  const host = ts.createCompilerHost({ ...options, ...own });
  const parse = host.getSourceFile;
  host.getSourceFile = (path, ...rest) => {
    if (!parsed.has(path)) parsed.set(path, parse(path, ...rest));
    return parsed.get(path);
  };
  const paths = files.map((file) => join(folder, file));
  const program = ts.createProgram(paths, { ...options, ...own }, host);
  const found = files.flatMap((file) => {
    const source = program.getSourceFile(join(folder, file));
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  });
  return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
