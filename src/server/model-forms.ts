import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readVariantRecords, type VariantName } from '../models/variants.ts';

/** A form of its weights that a model folder has. */
export interface ModelForm {
  readonly variant: VariantName;
  /** Of its file. */
  readonly bytes: number;
  /** What `itera.json` says was measured of it. */
  readonly measurements: readonly unknown[];
}

/**
 * Lists the forms that a model folder has: FP32 first, then the variants that `itera.json` names and whose files are there.
 *
 * @throws {@link IteraError} `MODEL_INVALID` for an entry of `itera.json` of another form.
 */
export async function readModelForms(dir: string): Promise<readonly ModelForm[]> {
  const itera = await readItera(dir);
  const { measurements } = (itera ?? {}) as { readonly measurements?: unknown };
  const named = Object.entries(readVariantRecords(itera)) as readonly [VariantName, Named][];
  const all: readonly [VariantName, Named][] = [
    ['fp32', { file: 'model.safetensors', measurements: Array.isArray(measurements) ? measurements : [] }],
    ...named,
  ];
  const forms = await Promise.all(
    all.map(async ([variant, { file, measurements: measured = [] }]): Promise<ModelForm[]> => {
      const found = await stat(join(dir, file)).catch(() => undefined);
      return found?.isFile() ? [{ variant, bytes: found.size, measurements: measured }] : [];
    }),
  );
  return forms.flat();
}

interface Named {
  readonly file: string;
  readonly measurements?: readonly unknown[];
}

/** A folder may do without it. */
async function readItera(dir: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(dir, 'itera.json'), 'utf8'));
  } catch {
    return undefined;
  }
}
