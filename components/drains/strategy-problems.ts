import { type Strategy, strategySchema } from '@/server/contract/drains.ts'

const SAYS: { [Name in keyof Strategy]?: string } = {
  maxUnavailable: 'A whole number from 1 to 100.',
  tunnelsPerSecond: 'More than 0, at most 10 000; empty for no limit.',
  deadlineSeconds: 'A whole number of seconds, from 0 to 86 400 (a day).',
}

/** What is wrong with a strategy, field by field, before the server is asked for its plan; empty where nothing is. */
export const strategyProblems = (strategy: Partial<Strategy>): { [Name in keyof Strategy]?: string } => {
  const problems: { [Name in keyof Strategy]?: string } = {}
  for (const issue of strategySchema.partial().safeParse(strategy).error?.issues ?? []) {
    const name = issue.path[0] as keyof Strategy
    problems[name] = SAYS[name] ?? issue.message
  }
  return problems
}

/** The folded strategy in words: what happens if nobody looks inside. */
export const strategyWords = (
  { maxUnavailable = 1, mode = 'hold' }: Partial<Strategy>,
  problems: ReturnType<typeof strategyProblems>,
): string =>
  Object.keys(problems).length > 0
    ? 'to be mended'
    : `${maxUnavailable === 1 ? 'one node' : `${maxUnavailable} nodes`} at a time, ${mode} when empty`
