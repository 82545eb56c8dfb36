import type { ErrorCode } from '../contract/errors.ts'

/** What the command ends with; `docs/cli.md` lists the same. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  denied: 4,
  conflict: 5,
  /** A drain that was followed ended aborted or failed. */
  drainEnded: 6,
  /** `tidegate host`: a newer tunnel of the same host took over (close code 4409). */
  replaced: 9,
} as const

/** The exit code that shows a script what kind of refusal it was. */
export const exitCodeFor = (code: ErrorCode | string): number => {
  if (code === 'ERR_UNAUTHENTICATED' || code === 'ERR_FORBIDDEN') return EXIT.denied
  if (code === 'ERR_NODE_UNREACHABLE' || code === 'ERR_STARTING') return EXIT.unreachable
  if (/CONFLICT|RUNNING|BLOCKED|MISMATCH/.test(code)) return EXIT.conflict
  return EXIT.failed
}
