import type { Tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { PickleWriter } from './pickle.ts';
import { packArchive, TensorRecords } from './torch-archive.ts';
import { layerMethods, modelMethods, type ScanForm } from './torchscript-code.ts';

export interface TorchScriptOptions {
  /** Default `scan`. */
  readonly form?: ScanForm;
  /** Texts kept in the archive, by name, such as `config.json`: `torch.jit.load(path, _extra_files={'config.json': ''})`. */
  readonly extraFiles?: ReadonlyMap<string, Uint8Array>;
}

/**
 * A model as a TorchScript archive: modules and weights under the family's names, with the methods of
 * {@link modelMethods}, for any batch and length. Equal models and options give equal bytes.
 *
 * @param weights - float32, under the names of `parameterShapes`.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for another element type.
 * @see https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/docs/serialization.md for the format.
 */
export function encodeTorchScript(
  config: ModelConfig,
  weights: ReadonlyMap<string, Tensor>,
  { form = 'scan', extraFiles = new Map() }: TorchScriptOptions = {},
): Uint8Array {
  const tree = growTree(weights);
  const classes = new Map<string, string>();
  const rootClass = declare(tree, [], classes, { config, form });
  const writer = new PickleWriter();
  const tensors = new TensorRecords();
  pickleModule(tree, '', rootClass, writer, tensors);
  const encoder = new TextEncoder();
  const entry = (name: string, content: string): [string, Uint8Array] => [name, encoder.encode(content)];
  return packArchive(
    new Map([
      ['data.pkl', writer.finish()],
      entry('code/__torch__.py', [...classes.values()].join('')),
      ...[...tensors.records].map(([key, bytes]): [string, Uint8Array] => [`data/${key}`, bytes]),
      // An empty tuple.
      ['constants.pkl', Uint8Array.of(0x80, 2, 0x29, 0x2e)],
      // The lowest version of the format: all readers know it.
      entry('version', '3\n'),
      ...[...extraFiles].map(([name, bytes]): [string, Uint8Array] => [`extra/${name}`, bytes]),
    ]),
  );
}

/** Modules by the parts of the weights' names: `a.b.weight` is the tensor `weight` of the module `b` of the module `a`. */
interface Module {
  readonly modules: Map<string, Module>;
  readonly tensors: Map<string, Tensor>;
  /** Name of its class, once declared. */
  className?: string;
}

function growTree(weights: ReadonlyMap<string, Tensor>): Module {
  const root: Module = { modules: new Map(), tensors: new Map() };
  for (const [name, tensor] of weights) {
    const path = name.split('.');
    const own = path.pop() as string;
    let module = root;
    for (const part of path) {
      const next: Module = module.modules.get(part) ?? { modules: new Map(), tensors: new Map() };
      module.modules.set(part, next);
      module = next;
    }
    module.tensors.set(own, tensor);
  }
  return root;
}

/**
 * Declares the classes of a module and of those below it. Modules with equal attributes and methods share a class.
 *
 * @param classes - Declared so far: the class's source by what makes it different, without its name.
 * @returns The name of the module's class.
 */
function declare(
  module: Module,
  path: readonly string[],
  classes: Map<string, string>,
  model: { readonly config: ModelConfig; readonly form: ScanForm },
): string {
  const children = [...module.modules].map(([name, child]): [string, string] => [
    name,
    declare(child, [...path, name], classes, model),
  ]);
  const attributes = [
    ...[...module.tensors.keys()].map((name): [string, string] => [name, 'Tensor']),
    ...children.map(([name, className]): [string, string] => [name, `__torch__.${className}`]),
    // Without it, `torch.jit.freeze` fails.
    ['training', 'bool'] as [string, string],
  ];
  const parameters = [...module.tensors.keys()].map((name) => `"${name}", `).join('');
  const numbered = attributes.some(([name]) => /^\d/.test(name)) ? ['  __annotations__ = []\n'] : [];
  const declared = attributes.map(([name, type]) =>
    /^\d/.test(name) ? `  __annotations__["${name}"] = ${type}\n` : `  ${name} : ${type}\n`,
  );
  const methodsOf = (self: string): string => methodsFor(path, self, model);
  const body = [`  __parameters__ = [${parameters}]\n  __buffers__ = []\n`, ...numbered, ...declared].join('');
  const key = body + methodsOf('');
  const known = [...classes.keys()].indexOf(key);
  const className =
    known < 0 ? nameClass(path, classes.size) : `${/class (\w+)/.exec(classes.get(key) as string)?.[1]}`;
  if (known < 0) classes.set(key, `class ${className}(Module):\n${body}${methodsOf(`__torch__.${className}`)}`);
  module.className = className;
  return className;
}

const nameClass = (path: readonly string[], index: number): string =>
  path.length === 0 ? 'CausalLM' : `Module${index}`;

const layerPath = /^model\.layers\.(\d+)$/;

function methodsFor(
  path: readonly string[],
  self: string,
  { config, form }: { readonly config: ModelConfig; readonly form: ScanForm },
): string {
  if (path.length === 0) return modelMethods(config, self);
  const [, layer] = layerPath.exec(path.join('.')) ?? [];
  const type = config.layersBlockType[Number(layer)];
  return layer !== undefined && type !== undefined ? layerMethods(config, type, self, form) : '';
}

/** @param path - Name of the module with a point behind it. */
function pickleModule(
  module: Module,
  path: string,
  className: string,
  writer: PickleWriter,
  tensors: TensorRecords,
): void {
  writer.object('__torch__', className, () => {
    for (const [name, tensor] of module.tensors) {
      writer.string(name);
      tensors.pickle(writer, path + name, tensor);
    }
    for (const [name, child] of module.modules) {
      writer.string(name);
      pickleModule(child, `${path}${name}.`, child.className as string, writer, tensors);
    }
    writer.string('training').bool(false);
  });
}
