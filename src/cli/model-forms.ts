import { encodeInferenceModel } from '../models/inference-model.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import type { CompressedVariant, VariantName } from '../models/variants.ts';
import { prepareVariants } from '../validation/compared-variants.ts';
import { packageVersion } from './package-version.ts';
import { chooseVariants } from './variant-options.ts';

/** The forms of a model that a measurement is about. */
export interface ModelForms {
  /** ONNX files by the name of the form. */
  readonly files: ReadonlyMap<VariantName, Uint8Array>;
  /** sha256 of the model's files and of each variant, as provenance states them. */
  readonly hashes: Readonly<Record<string, string>>;
}

export interface FormChoice {
  readonly withFp32: boolean;
  readonly variants: readonly CompressedVariant[];
}

/**
 * The forms that a repeatable `--variant` names, among them `fp32`.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` for an unknown name.
 */
export function chooseForms(names: readonly string[] = ['fp32', 'int8', 'int4']): FormChoice {
  const compressed = names.filter((name) => name !== 'fp32');
  return {
    withFp32: names.some((name) => name === 'fp32' || name === 'all'),
    variants: chooseVariants(compressed, ['fp32']),
  };
}

/** Reads or makes the chosen forms of a model; see `prepareVariants`. */
export async function prepareForms(
  folder: ModelFolder,
  { withFp32, variants: wanted }: FormChoice,
  { signal, onStage }: { readonly signal: AbortSignal; readonly onStage: (stage: string) => void },
): Promise<ModelForms> {
  const variants = await prepareVariants(folder, wanted, {
    ...{ version: packageVersion, seed: 1, threads: 1, signal, onStage },
  });
  const own: [VariantName, Uint8Array][] = withFp32 ? [['fp32', encodeInferenceModel(folder)]] : [];
  const made = variants.map(({ name, model }): [VariantName, Uint8Array] => [name, model]);
  const modelHashes = Object.entries(folder.sha256).map(([file, hash]) => [`model/${file}`, hash]);
  const variantHashes = variants.map(({ name, sha256 }) => [`variant/${name}`, sha256]);
  return { files: new Map([...own, ...made]), hashes: Object.fromEntries([...modelHashes, ...variantHashes]) };
}
