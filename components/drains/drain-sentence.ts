import type { Drain } from '@/server/contract/drains.ts'
import { listWords } from '@/server/contract/words.ts'
import { plural } from '../ui/format.ts'
import { doneWords, leftAs, leftOf, leftWords, movedWords, moveState } from './drain-left.ts'
import { subjectOf } from './drain-look.tsx'

/** How far a drain has got, in one sentence. */
export const drainSentence = (drain: Drain): string => {
  const subject = subjectOf(drain)
  const left = leftOf(drain)
  const tunnels = drain.moves.filter((move) => moveState(drain, move) !== 'moved').length
  const rest = left
    ? `${leftWords(drain, left)} left`
    : drain.moves.length > 0
      ? `${plural(tunnels, 'tunnel')} left; connections are not known`
      : 'How many connections are left is not known'
  const unproven = drain.steps.flatMap(({ node, outcome }) => (outcome === 'unproven' ? [node] : []))
  switch (drain.state) {
    case 'planned':
      return `The drain of ${subject} is about to start.`
    case 'running':
      return `${rest}; ${doneWords(drain)}.`
    case 'paused':
      return `Paused: ${rest}. Nothing more is taken out of service until it continues.`
    case 'drained':
      if (unproven.length > 0)
        return `${subject} is drained (unproven) and held out of service: nobody can tell whether ${listWords(unproven)} ${unproven.length === 1 ? 'is' : 'are'} empty. Resume it when the work is done.`
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
      if (drain.moves.length === 0) return `Aborted: ${leftAs(drain)}.`
      return drain.report
        ? `Aborted: ${movedWords(drain.report.gaps)}. What had moved stays where it is.`
        : 'Aborted. Tunnels that had moved stay where they are.'
    case 'failed':
      if (drain.moves.length === 0) return `The drain failed: ${leftAs(drain)}.`
      return drain.report ? `The drain failed: ${movedWords(drain.report.gaps)}.` : 'The drain failed.'
  }
}
