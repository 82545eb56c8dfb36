/** Why an event of a node was not taken in. Its place in the stream still counts. */
export const REFUSALS = ['too_large', 'malformed', 'not_its_own', 'unknown_type', 'implausible_seq'] as const
export type Refusal = (typeof REFUSALS)[number]
