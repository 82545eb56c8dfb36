import { AppError } from '@/server/contract/errors.ts'
import { checkValue } from '@/server/contract/issue-words.ts'
import { type NodeProbeRequest, nodeProbeRequestSchema } from '@/server/contract/probe.ts'
import { problemsOf } from '@/server/contract/problems.ts'
import { whereOf } from '@/server/contract/where.ts'
import type { Checked, Problems } from '../ui/use-checked-form.ts'

/** What the form of a look holds. Empty: not given. */
export interface ProbeTarget {
  where: string
  /** Empty: to be guessed. */
  kind: string
  user: string
  password: string
  /** Files on the collector's machine. */
  ca: string
  cert: string
  key: string
}

export const NO_TARGET: ProbeTarget = {
  where: '',
  kind: '',
  user: '',
  password: '',
  ca: '',
  cert: '',
  key: '',
}

/** What is wrong with it before anybody is asked. */
export const checkTarget = (target: ProbeTarget): Checked<ProbeTarget> => {
  const where = target.where.trim()
  if (where === '') return { problems: { where: 'Say where it answers.' } }
  if (target.password !== '' && target.user === '')
    return { problems: { user: 'Say whose password that is.' } }
  try {
    const checked = checkValue(nodeProbeRequestSchema, askedBy({ ...target, where }))
    if (checked.success) return { values: { ...target, where } }
    const problems = problemsOf(checked.error).map(({ path, message }) => [path, message] as const)
    return { problems: byField(Object.fromEntries(problems)) }
  } catch (error) {
    return { problems: { where: error instanceof AppError ? error.message : 'is no address' } }
  }
}

const askedBy = ({ where, kind, user, password, ...files }: ProbeTarget): Record<string, unknown> => {
  const named = Object.entries({ kind, ...files }).filter(([, value]) => value !== '')
  const auth = user === '' ? {} : { auth: { user, password } }
  return { ...whereOf(where), ...Object.fromEntries(named), ...auth }
}

/** What is sent: an entry of `nodes` as far as it is known. */
export const requestOf = (target: ProbeTarget): NodeProbeRequest =>
  nodeProbeRequestSchema.parse(askedBy(target))

/** What was found wrong, by the fields of the form; what has none stands where it answers. */
export const byField = (problems: Readonly<Record<string, string>>): Problems => {
  const { ca, cert, key, 'auth.user': user, 'auth.password': password, ...others } = problems
  const { url, socket, address, ...rest } = others
  return { where: url ?? socket ?? address ?? Object.values(rest)[0], ca, cert, key, user, password }
}
