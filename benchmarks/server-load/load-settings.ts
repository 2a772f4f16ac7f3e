import type { ModelFolder } from '../../src/models/model-folder-file.ts';

/** What all parts are told. */
export interface LoadSettings {
  readonly folder: ModelFolder;
  /** The options of `itera-lite serve` that name the model. */
  readonly modelArgs: readonly string[];
  /** Little, only to see that it works. */
  readonly quick: boolean;
  /** Serve from `dist` in place of the source. */
  readonly built: boolean;
  readonly signal: AbortSignal;
}
