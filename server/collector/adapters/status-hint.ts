import type { HttpAnswer } from './http-probe.ts'

/** The same answer, saying what to change at the program, or in its entry, where its status is one of these. */
export const withStatusHint = <Answer extends HttpAnswer>(
  answer: Answer,
  hints: Readonly<Record<number, string>>,
): Answer => {
  const hint = answer.status === null ? undefined : hints[answer.status]
  return hint === undefined ? answer : { ...answer, reason: `answered ${answer.status}: ${hint}` }
}
