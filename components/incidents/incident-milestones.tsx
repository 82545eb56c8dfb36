import type { Incident } from '@/server/contract/incidents.ts'
import { Panel } from '../panels/panel.tsx'
import { formatDuration } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'
import { timesTo } from './times-to.ts'

/** The five milestones and how long each took, then the signals with what each knows. */
export function IncidentMilestones({ incident }: { incident: Incident }) {
  const times = timesTo(incident)
  // A step that was left out is not one that is still to come.
  const without = incident.state === 'resolved' ? 'never' : 'not yet'
  const steps = [
    { name: 'Started', at: incident.startedAt, took: null },
    { name: 'Detected', at: incident.detectedAt, took: times.detect },
    { name: 'Acknowledged', at: incident.acknowledgedAt, took: times.acknowledge },
    { name: 'Mitigated', at: incident.mitigatedAt, took: times.mitigate },
    { name: 'Resolved', at: incident.resolvedAt, took: times.resolve },
  ]
  return (
    <Panel title="Milestones">
      <ol className="grid grid-cols-2 gap-x-6 gap-y-3 sm:grid-cols-5">
        {steps.map((step) => (
          <li
            key={step.name}
            className={`border-l-2 pl-3 ${step.at ? 'border-ink-soft' : 'border-hairline border-dashed text-faint'}`}
          >
            <div className="text-faint text-xs">{step.name}</div>
            <div className="font-medium">{step.at ? <Time at={step.at} /> : without}</div>
            {step.took !== null && (
              <div className="num text-soft text-xs">after {formatDuration(step.took)}</div>
            )}
          </li>
        ))}
      </ol>
      <ul className="mt-4 grid gap-1">
        {incident.signals.map((signal) => (
          <li
            key={`${signal.kind} ${signal.scope} ${signal.openedAt}`}
            className="flex flex-wrap items-baseline gap-x-3"
          >
            <span className={`num font-medium ${signal.closedAt ? 'text-soft' : 'text-down'}`}>
              {signal.kind}
            </span>
            <span className="num text-faint">{signal.scope.replace(/^\w+:/, '')}</span>
            <span className="min-w-0">{signal.sentence}</span>
            <span className="text-faint">
              {signal.closedAt ? (
                <>
                  closed <Time at={signal.closedAt} />
                </>
              ) : (
                <>
                  open for <Time at={signal.openedAt} as="for" />
                </>
              )}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  )
}
