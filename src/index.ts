/**
 * Itera-Lite: train, compress, prove, ship and keep improving very small language models on a CPU.
 *
 * @packageDocumentation
 */
export { type Adaptation, type AdaptationOptions, runAdaptation } from './adaptation/adapt.ts';
export type {
  CandidateEvidence,
  CandidateMeasurements,
  GateFinding,
} from './adaptation/candidate/candidate-evidence.ts';
export { checkLiveFeedback, promoteVersion, rollBack } from './adaptation/deployment.ts';
export { type LiveTest, testLiveFeedback } from './adaptation/live-test.ts';
export { versionFor } from './adaptation/routing.ts';
export { openStore } from './adaptation/store/store.ts';
export type {
  AdaptationRun,
  AdaptationStore,
  Deployment,
  FeedbackFilter,
  ModelVersion,
  NewFeedback,
  NewInference,
  StoredFeedback,
} from './adaptation/store/store-records.ts';
export { dueTrigger, type TriggerSettings } from './adaptation/triggers.ts';
export {
  type CalibrationFacts,
  type CalibrationOptions,
  type CalibrationText,
  readCalibration,
} from './compression/calibration.ts';
export {
  type CompressedFile,
  type CompressedModel,
  type CompressOptions,
  compressModel,
  type RefinedVariant,
  type RoundedVariant,
} from './compression/compress-model.ts';
export {
  defaultSchemes,
  type ProductBits,
  type ProductException,
  type RoundingScheme,
  type VariantScheme,
} from './compression/variant-schemes.ts';
export { createTuner, type VariantTuningOptions } from './compression/variant-tuning-file.ts';
export { writeVariants } from './compression/write-variants-file.ts';
export { type DType, dtypeBytes, type TypedArrayOf } from './core/dtype.ts';
export { type ErrorCode, errorCodes, IteraError } from './core/errors.ts';
export {
  type Conditions,
  type MeasurementRecord,
  type Metric,
  metrics,
  type NotRunRecord,
  type Provenance,
  type RecordSet,
  type ValueRecord,
} from './core/measurement.ts';
export {
  type DownloadDatasetOptions,
  type DownloadedSplit,
  type DownloadProgress,
  downloadDataset,
} from './data/dataset-download-file.ts';
export { type Dataset, listDatasets, openDataset } from './data/dataset-files.ts';
export type { TextDocument } from './data/documents.ts';
export { type EvaluatedModel, type EvaluationOptions, evaluateDataset } from './evaluation/dataset-quality.ts';
export { type DocumentLoss, type ScoringOptions, scoreDocuments } from './evaluation/document-loss.ts';
export type { LayerType, ModelConfig } from './models/config.ts';
export { formatConfig, parseConfig } from './models/config-json.ts';
export { buildInferenceGraph } from './models/inference-graph.ts';
export { type ModelFolder, readModelFolder, writeModelFolder } from './models/model-folder-file.ts';
export { countParameters, type ParameterCounts, parameterShapes } from './models/parameters.ts';
export { presetConfig, presets } from './models/presets.ts';
export {
  type CompressedVariant,
  compressedVariants,
  type VariantName,
  type VariantRecord,
  variantFiles,
} from './models/variants.ts';
export { encodeOnnx } from './onnx/encoding.ts';
export type { FinishReason, GenerateOptions, GenerationPiece, GenerationResult } from './runtime/generation.ts';
export { defaultModel, type LoadModelOptions, loadModel } from './runtime/load-model-file.ts';
export { createModel, type Model, type ModelParts, type TextScore } from './runtime/model.ts';
export type { SamplingOptions } from './runtime/sampling.ts';
export type { Suggestion, SuggestOptions } from './runtime/suggestion.ts';
export { createTokenScorer, type TokenScorer } from './runtime/token-scorer.ts';
export { createServer, type Server } from './server/server.ts';
export type { ServerOptions } from './server/server-options.ts';
export { type BpeTrainingOptions, type TrainedTokenizer, trainBpe } from './text/bpe-trainer.ts';
export { createTokenizer, type StreamDecoder, type Tokenizer } from './text/tokenizer.ts';
export { parseRecipe, type Recipe } from './training/recipe.ts';
export { runTraining, type TrainedRun, type TrainingRunOptions } from './training/training-run-file.ts';
