/**
 * Itera-Lite: train, compress, prove, ship and keep improving very small language models on a CPU.
 *
 * @packageDocumentation
 */
export { type Adaptation, type AdaptationOptions, type CurationCounts, runAdaptation } from './adaptation/adapt.ts';
export type {
  BaseEvidence,
  CandidateEvidence,
  CandidateMeasurements,
  Estimate,
  GateFinding,
  HeldOutEvidence,
} from './adaptation/candidate/candidate-evidence.ts';
export { checkLiveFeedback, type LiveCheck, promoteVersion, rollBack } from './adaptation/deployment.ts';
export type { CurationOptions } from './adaptation/learning/curation.ts';
export type { Learned, LearningPoint } from './adaptation/learning/learning.ts';
export { type LiveTest, testLiveFeedback } from './adaptation/live-test.ts';
export { versionFor } from './adaptation/routing.ts';
export { type OpenStoreOptions, openStore } from './adaptation/store/store.ts';
export type {
  AdaptationRun,
  AdaptationStore,
  AuditCheck,
  AuditEntry,
  Deployment,
  DeploymentChange,
  FeedbackFilter,
  FeedbackSummary,
  LiveJudgements,
  ModelVersion,
  NewFeedback,
  NewInference,
  NewRun,
  NewVersion,
  RunEnd,
  RunStatus,
  RunTrigger,
  StoredFeedback,
  VersionState,
} from './adaptation/store/store-records.ts';
export { dueTrigger, type TriggerSettings } from './adaptation/triggers.ts';
export { packageVersion } from './cli/package-version.ts';
export type { FittedText } from './compression/bit-choice.ts';
export {
  type CalibrationFacts,
  type CalibrationOptions,
  type CalibrationText,
  readCalibration,
} from './compression/calibration.ts';
export type { CalibrationStatistics, RowStatistics } from './compression/calibration-statistics.ts';
export {
  type CompressedFile,
  type CompressedModel,
  type CompressOptions,
  compressModel,
  type RefinedVariant,
  type RoundedVariant,
} from './compression/compress-model.ts';
export type { InputStatistics } from './compression/input-statistics.ts';
export type { RoundingMethod } from './compression/matrix-quantization.ts';
export type { RoundedProducts } from './compression/rounded-weights.ts';
export {
  measureVariants,
  type VariantMeasurementOptions,
  type VariantMeasurements,
} from './compression/variant-measurement.ts';
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
export type { BitWidth, QuantizedMatrix } from './core/quantized-matrix.ts';
export type { Interval } from './core/statistics.ts';
export type { Tensor } from './core/tensor.ts';
export type { BatchSamplerState } from './data/batches.ts';
export {
  type DownloadDatasetOptions,
  type DownloadedSplit,
  type DownloadProgress,
  downloadDataset,
} from './data/dataset-download-file.ts';
export {
  type Dataset,
  type DatasetListing,
  type DatasetPlaces,
  type FoundSplit,
  listDatasets,
  type OpenDatasetOptions,
  openDataset,
} from './data/dataset-files.ts';
export type { DatasetEntry, HubSource, Split } from './data/dataset-registry.ts';
export type { SampleLimits } from './data/document-sample.ts';
export type { SeparatorKind, TextDocument } from './data/documents.ts';
export type { HubSettings } from './data/hub-settings-file.ts';
export type { RetryOptions } from './data/retry.ts';
export {
  type DatasetQuality,
  type EvaluatedModel,
  type EvaluationOptions,
  evaluateDataset,
} from './evaluation/dataset-quality.ts';
export { type DegradationBounds, defaultBounds } from './evaluation/degradation-bounds.ts';
export { type DocumentLoss, type ScoringOptions, scoreDocuments } from './evaluation/document-loss.ts';
export { type GateOptions, type GateVerdict, judgeVariants, passesGate } from './evaluation/gate.ts';
export { exportOnnx, type OnnxExportOptions } from './export/export-onnx.ts';
export type { ExportResult } from './export/export-result.ts';
export { exportTorch, type TorchExportOptions, type TorchFormat } from './export/export-torch.ts';
export type { ScanForm } from './export/torchscript-code.ts';
export type { VerificationBounds, VerificationOptions } from './export/verification.ts';
export { readVerificationText } from './export/verification-text.ts';
export type { Graph, Value } from './graph/graph.ts';
export type { Dim, Shape } from './graph/shape.ts';
export type { LayerType, ModelConfig } from './models/config.ts';
export { formatConfig, parseConfig } from './models/config-json.ts';
export { buildInferenceGraph } from './models/inference-graph.ts';
export type { SourceModelFacts } from './models/model-card.ts';
export type { ModelContents, ModelToWrite, WeightsDtype } from './models/model-folder.ts';
export { type ModelFolder, readModelFolder, writeModelFolder } from './models/model-folder-file.ts';
export { countParameters, type ParameterCounts, parameterShapes } from './models/parameters.ts';
export { type Preset, type PresetName, presetConfig, presets } from './models/presets.ts';
export {
  type CompressedVariant,
  compressedVariants,
  type VariantName,
  type VariantRecord,
  type VariantSource,
  variantFiles,
} from './models/variants.ts';
export { type EncodeOptions, encodeOnnx } from './onnx/encoding.ts';
export type { FinishReason, GenerateOptions, GenerationPiece, GenerationResult } from './runtime/generation.ts';
export { defaultModel, type LoadModelOptions, loadModel, openModel } from './runtime/load-model-file.ts';
export { createModel, type Model, type ModelParts, type TextScore } from './runtime/model.ts';
export type { SamplingOptions, TokenLogProb } from './runtime/sampling.ts';
export type { SessionOptions } from './runtime/session.ts';
export type { Suggestion, SuggestOptions } from './runtime/suggestion.ts';
export { createTokenScorer, type TokenScorer } from './runtime/token-scorer.ts';
export type { ApiKey, Right } from './server/api-keys-file.ts';
export { createServer, type Server } from './server/server.ts';
export type { App } from './server/server-context.ts';
export type { ServerAdaptation, ServerOptions } from './server/server-options.ts';
export {
  type BpeTrainingOptions,
  type BpeTrainingProgress,
  type TrainedTokenizer,
  trainBpe,
} from './text/bpe-trainer.ts';
export {
  createTokenizer,
  type EncodeOptions as EncodeTextOptions,
  type StreamDecoder,
  type Tokenizer,
} from './text/tokenizer.ts';
export type { ParameterBuffer } from './training/parameter-buffer.ts';
export { parseRecipe, type Recipe } from './training/recipe.ts';
export type { TeacherProgress } from './training/run-teacher-file.ts';
export type { Stepper, StepResult, WeightRounder } from './training/stepper.ts';
export type { LossPoint, StepReport, TrainingProgress, ValidationPoint } from './training/trainer.ts';
export { runTraining, type TrainedRun, type TrainingRunOptions } from './training/training-run-file.ts';
