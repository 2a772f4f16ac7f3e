/** What is learnt from one piece of feedback. */
export interface Example {
  /** Id of the feedback. */
  readonly id: string;
  readonly prompt: string;
  /** What should follow the prompt. */
  readonly wanted?: string;
  /** What should not. */
  readonly unwanted?: string;
  readonly client?: string;
}
