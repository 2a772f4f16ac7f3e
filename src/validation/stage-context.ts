import type { ModelFolder } from '../models/model-folder-file.ts';
import type { ValidationSize } from './validation-size.ts';

/** What every stage of the main job knows. */
export interface StageContext {
  readonly folder: ModelFolder;
  /** Name of the model, in records. */
  readonly name: string;
  readonly version: string;
  readonly seed: number;
  readonly threads: number;
  readonly size: ValidationSize;
  readonly signal?: AbortSignal;
}
