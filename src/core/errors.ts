/** Every error code the library throws, with the class of fault it stands for. `docs/errors.md` lists the same table. */
export const errorCodes = {
  INVALID_ARGUMENT: 'An argument or option has a value that is not allowed.',
  ABORTED: 'The caller aborted the operation through its AbortSignal.',
  SHAPE_MISMATCH: 'Two tensor shapes, or a tensor and its data, do not agree.',
  GRAPH_INVALID: 'A graph is malformed: an unknown operator, value or type, or a value used before it is made.',
  GRADIENT_UNDEFINED: 'A gradient was asked through an operator that has none.',
  FILE_NOT_FOUND: 'A file or folder that is needed does not exist.',
  FILE_UNREADABLE: 'A file exists but could not be read.',
  OUTPUT_UNWRITABLE: 'A file or folder could not be written: permissions, a full disk or a bad path.',
  FILE_CORRUPT: 'A file is truncated or its content does not match its own header or checksum.',
  TEXT_EMPTY: 'A text has nothing to work on.',
  TEXT_INVALID_UTF8: 'Bytes are not valid UTF-8, or a string holds a lone surrogate.',
  TOKENIZER_INVALID: 'A tokenizer file is malformed or of an unsupported kind.',
  TOKENIZER_MISMATCH: 'A tokenizer does not belong to the model it is used with.',
  DATASET_UNKNOWN: 'No dataset has this name and no file has this path.',
  DATASET_UNAVAILABLE: 'A known dataset could not be found on this machine.',
  DATASET_INVALID: 'A file of records has a line, row or column that is not what was expected.',
  DOWNLOAD_FAILED: 'A server could not be reached or kept failing; what has arrived is kept.',
  DOWNLOAD_REFUSED: 'A server refused a download: there is no such file, or no permission.',
  CONFIG_INVALID: 'A model configuration is malformed or its numbers contradict each other.',
  WEIGHTS_INVALID: 'A safetensors file is truncated, hostile or malformed.',
  WEIGHTS_MISMATCH: 'Weights do not match the model configuration.',
  MODEL_INVALID: 'A model folder lacks a file or its files contradict each other.',
  VARIANT_MISSING: 'A model folder does not hold the compressed variant that was asked for.',
  VARIANT_MISMATCH: 'A compressed variant was made from another model, or is another than its name says.',
  CHECKPOINT_INVALID: 'A training checkpoint, or what an interrupted run kept, is corrupted or belongs to another run.',
  TRAINING_DIVERGED: 'The loss or a gradient became NaN, infinite or exploded.',
  EXPORT_INVALID: 'An exported file does not load or run in the runtime that it is for.',
  RUNTIME_FAILED: 'ONNX Runtime refused a graph or failed to run it.',
  GATE_REFUSED: 'A gate found a variant worse than it may be, or could not judge it.',
  STAGE_FAILED: 'A stage of the main job failed; the report is written without what it would have found.',
  STORE_IN_USE: 'Another process, or this one, has the embedded adaptation store open.',
  STORE_UNAVAILABLE:
    'The PostgreSQL server of an adaptation store does not answer, refuses us or is too old; or the store is closed.',
  STORE_INVALID: 'An adaptation store is damaged, of another kind or version, or the folder holds something else.',
  FEEDBACK_INVALID:
    'Feedback lacks a judgement or a text, has a field that is none, or holds text that cannot be stored.',
  RUN_IN_PROGRESS:
    'A run of training or adaptation is running already, or the run that was to end is not running any more.',
  VERSION_UNKNOWN: 'No version of the model has this name, or its folder was deleted.',
  VERSION_CORRUPT: "A model version's files are not those that were recorded.",
  DEPLOYMENT_CHANGED: 'What answers is not what a change was decided on any more.',
  SERVER_UNAVAILABLE: 'The server cannot listen: its address is in use, not allowed, or not of this machine.',
  METER_FAILED: 'An energy meter vanished, may not be read, or gave values that cannot be.',
  RECORD_INVALID: 'A measurement record or report file does not follow its schema.',
} as const;

/** A code of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/**
 * The one error class of the library: a stable `code`, a message that says what was expected, what came and what to do,
 * and the data behind the message.
 */
export class IteraError extends Error {
  override readonly name = 'IteraError';
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, data: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.data = data;
  }
}

/** Throws `ABORTED` if the signal has fired; long work calls this between steps. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/** The `ABORTED` of a signal that has fired: its reason if that is one of our errors, which says more. */
export function abortError({ reason }: AbortSignal): IteraError {
  if (reason instanceof IteraError) return reason;
  return new IteraError('ABORTED', 'The operation was aborted by its caller.', {}, { cause: reason });
}
