'use client'

import { errorText } from '../data/error-text.ts'
import { useMay, useMe } from '../data/me.ts'
import { useScenarioSwitch, useScenarios } from '../data/scenarios.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { Time } from '../ui/time.tsx'

/** Breaks the demo fleet on purpose, to see what an incident looks like. */
export function GameDay() {
  const me = useMe()
  const may = useMay('operator')
  const scenarios = useScenarios(Boolean(me.data?.demo) && may)
  const change = useScenarioSwitch()
  if (!me.data?.demo || !may) return null
  return (
    <Panel title="Game day" query={scenarios} rows={2}>
      <ul className="grid gap-3">
        {(scenarios.data ?? []).map((scenario) => (
          <li
            key={scenario.name}
            className="flex flex-wrap items-center gap-x-4 gap-y-1"
            data-scenario={scenario.name}
          >
            <Button
              disabled={change.isPending}
              tone={scenario.running ? 'danger' : 'plain'}
              onClick={() => change.mutate({ name: scenario.name, run: !scenario.running })}
            >
              {scenario.running ? 'Stop' : 'Start'} {scenario.name}
            </Button>
            <span className="min-w-0 flex-1 basis-64">
              <strong className="font-medium">{scenario.title}.</strong>{' '}
              <span className="text-soft">{scenario.does}</span>
              {scenario.running && (
                <span className="text-degraded">
                  {' '}
                  Running{scenario.node && ` on ${scenario.node}`} for{' '}
                  <Time at={scenario.startedAt} as="for" />.
                </span>
              )}
            </span>
          </li>
        ))}
      </ul>
      {change.error && (
        <p role="alert" className="mt-2 text-down">
          {errorText(change.error)}
        </p>
      )}
    </Panel>
  )
}
