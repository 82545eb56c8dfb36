import type { Drain } from '@/server/contract/drains.ts'
import { plural } from '../ui/format.ts'
import { leftOf, movedWords, moveState } from './drain-left.ts'
import { subjectOf } from './drain-look.tsx'

/** Where a drain stands, in one sentence. */
export const drainSentence = (drain: Drain): string => {
  const subject = subjectOf(drain)
  const left = leftOf(drain)
  const tunnels = drain.moves.filter((move) => moveState(drain, move) !== 'moved').length
  const rest = left
    ? `${plural(left.tunnels, 'tunnel')} and ${plural(left.connections, 'connection')} left`
    : `${plural(tunnels, 'tunnel')} left; connections are not known`
  const empty = drain.steps.filter((step) => step.phase === 'done').length
  switch (drain.state) {
    case 'planned':
      return `The drain of ${subject} is about to start.`
    case 'running':
      return `${rest}; ${empty} of ${plural(drain.steps.length, 'node')} empty.`
    case 'paused':
      return `Paused: ${rest}. Nothing more is taken out of service until it continues.`
    case 'drained':
      return drain.strategy.mode === 'exit'
        ? `${subject} is empty and has ended.`
        : `${subject} is empty and held out of service. Resume it when the work is done.`
    case 'resuming':
      return `${subject} is going back into service.`
    case 'resumed':
      return `${subject} serves again.`
    case 'aborting':
      return 'Aborting: what can be restored is being restored.'
    case 'aborted':
      return drain.report
        ? `Aborted: ${movedWords(drain.report.gaps)}. What had moved stays where it is.`
        : 'Aborted. Tunnels that had moved stay where they are.'
    case 'failed':
      return drain.report ? `The drain failed: ${movedWords(drain.report.gaps)}.` : 'The drain failed.'
  }
}
