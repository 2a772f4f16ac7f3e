/**
 * The order of the folders of `src/`: a file imports from lower layers or its own folder only. Folders of one layer
 * never import each other. `README.md` says what each folder holds.
 */
export const layers = [
  ['core'],
  ['graph', 'text', 'chart'],
  ['onnx', 'data'],
  ['models'],
  ['runtime'],
  ['evaluation', 'energy'],
  ['training'],
  ['compression', 'export'],
  ['benchmark', 'report'],
  ['adaptation'],
  ['server'],
  ['validation'],
  ['cli'],
];

/** Folders that also run in a browser. */
export const portable = ['core', 'graph', 'text', 'chart', 'onnx', 'data', 'models', 'runtime', 'training'];

/** The files of a portable folder that may read files or the network, by name. */
const fileAccess = '-files?\\.ts$';

const inFolders = (folders) => `^src/(${folders.join('|')})/`;

const direction = layers.flatMap((folders, layer) =>
  folders.map((folder) => ({
    name: `layer-${folder}`,
    comment: `src/${folder}/ may import only lower layers and its own folder.`,
    severity: 'error',
    from: { path: inFolders([folder]) },
    to: { path: '^src/', pathNot: inFolders([...layers.slice(0, layer).flat(), folder]) },
  })),
);

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...direction,
    {
      name: 'unlisted-folder',
      comment: 'Every folder of src/ has its place in the table of layers; only index.ts stands outside.',
      severity: 'error',
      from: { path: '^src/', pathNot: [inFolders(layers.flat()), '^src/index\\.ts$'] },
      to: {},
    },
    {
      name: 'cycle',
      comment: 'No file reaches itself through its imports.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'portable',
      comment: 'Portable folders use no Node modules, except in files named *-file.ts or *-files.ts.',
      severity: 'error',
      from: { path: inFolders(portable), pathNot: fileAccess },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'portable-import',
      comment: 'Other files of portable folders do not import those, or they would not run in a browser either.',
      severity: 'error',
      from: { path: inFolders(portable), pathNot: fileAccess },
      to: { path: `^src/.*${fileAccess}` },
    },
    {
      name: 'engine',
      comment: 'Only src/runtime/ knows ONNX Runtime.',
      severity: 'error',
      from: { path: '^src/', pathNot: inFolders(['runtime']) },
      to: { path: '(^|/)onnxruntime-|^#onnxruntime' },
    },
    {
      name: 'outside',
      comment: 'The library does not depend on its tests, benchmarks or scripts.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|benchmarks|scripts|web)/' },
    },
    {
      name: 'web',
      comment: 'The web interface runs in browsers: of other folders than portable ones it takes only types.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^src/', pathNot: inFolders(portable), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'web-portable',
      comment: 'Files of portable folders that read files or the network do not run in a browser.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: `^src/.*${fileAccess}`, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'undeclared',
      comment: 'What the library imports is a dependency in package.json, not a development or transitive one.',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'],
        dependencyTypesNot: ['npm-peer', 'aliased-subpath-import'],
      },
    },
    {
      name: 'unresolved',
      comment: 'An import must lead somewhere.',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
