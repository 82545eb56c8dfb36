import { type Strategy, strategySchema } from '@/server/contract/drains.ts'
import { bySchema, type Checked, type Problems } from '../ui/use-checked-form.ts'

/** The strategy as its fields hold it: what is empty keeps its default. */
export interface StrategyValues {
  maxUnavailable: string
  tunnelsPerSecond: string
  deadlineSeconds: string
  onDeadline: Strategy['onDeadline']
  mode: Strategy['mode']
}

/** What applies where nothing is written. */
export const STANDARD = strategySchema.parse({})

export const NO_STRATEGY: StrategyValues = {
  maxUnavailable: '',
  tunnelsPerSecond: '',
  deadlineSeconds: '',
  onDeadline: STANDARD.onDeadline,
  mode: STANDARD.mode,
}

const WORDS: Problems = {
  maxUnavailable: 'A whole number from 1 to 100.',
  tunnelsPerSecond: 'More than 0, at most 10 000; empty for no limit.',
  deadlineSeconds: 'A whole number of seconds, from 0 to 86 400 (a day).',
}

const check = bySchema(strategySchema.partial(), WORDS)

const number = (text: string): number | undefined => (text.trim() === '' ? undefined : Number(text))

/** The requested strategy, without fields that have their default anyway; or what is wrong, field by field. */
export const strategyOf = (values: StrategyValues): Checked<Partial<Strategy>> => {
  const written: { [Name in keyof Strategy]?: Strategy[Name] | undefined } = {
    maxUnavailable: number(values.maxUnavailable),
    tunnelsPerSecond: number(values.tunnelsPerSecond),
    deadlineSeconds: number(values.deadlineSeconds),
    onDeadline: values.onDeadline === STANDARD.onDeadline ? undefined : values.onDeadline,
    mode: values.mode === STANDARD.mode ? undefined : values.mode,
  }
  const strategy = Object.fromEntries(
    Object.entries(written).filter(([, value]) => value !== undefined),
  ) as Partial<Strategy>
  const checked = check(strategy)
  // The schema fills defaults in; what goes to the server is what somebody wrote.
  return 'problems' in checked ? checked : { values: strategy }
}

/** The folded strategy in words: what happens if nobody looks inside. */
export const strategyWords = (checked: Checked<Partial<Strategy>>): string => {
  if ('problems' in checked) return 'needs correcting'
  const { maxUnavailable = STANDARD.maxUnavailable, mode = STANDARD.mode } = checked.values
  return `${maxUnavailable === 1 ? 'one node' : `${maxUnavailable} nodes`} at a time, ${mode} when empty`
}

/** What the server found wrong with a strategy, by the names of the fields. */
export const strategyPaths = (problems: Problems): Problems =>
  Object.fromEntries(
    Object.entries(problems).map(([path, message]) => [path.replace(/^strategy\./, ''), message]),
  )
