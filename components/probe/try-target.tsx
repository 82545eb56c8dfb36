'use client'

import { useWatch } from 'react-hook-form'
import { NODE_KINDS } from '@/server/contract/states.ts'
import { errorText, problemsByPath } from '../data/error-text.ts'
import { useMay } from '../data/me.ts'
import { useNodeProbe } from '../data/probe.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { TextField } from '../ui/text-field.tsx'
import { useCheckedForm } from '../ui/use-checked-form.ts'
import { CredentialFields } from './credential-fields.tsx'
import { ProbeResult } from './probe-result.tsx'
import { byField, checkTarget, NO_TARGET, type ProbeTarget, requestOf } from './probe-target.ts'

/** One field: where it answers. What it is, what is understood of it, and the line for the configuration come back. */
export function TryTarget() {
  const admin = useMay('admin')
  const probe = useNodeProbe()
  const { register, handleSubmit, problemOf, showProblems, control, setValue } = useCheckedForm(
    checkTarget,
    NO_TARGET,
  )
  const kind = useWatch({ control, name: 'kind' })
  const look = (target: ProbeTarget): void => {
    if (probe.isPending) return
    probe.mutate(requestOf(target), { onError: (error) => showProblems(byField(problemsByPath(error))) })
  }
  if (!admin)
    return (
      <Panel title="Try a target">
        <p className="max-w-prose text-soft">
          Administrators can look at a system here before it is watched.
        </p>
      </Panel>
    )
  return (
    <Panel title="Try a target">
      <form
        className="grid max-w-3xl grid-cols-[minmax(0,1fr)] items-start gap-3 sm:grid-cols-[1fr_11rem_auto]"
        noValidate
        // What was found at another address says nothing about one that is malformed.
        onSubmit={handleSubmit(look, () => probe.reset())}
      >
        <TextField
          label="Where it answers"
          hint="A URL, host:port, or the path of a socket on the collector's machine. Nothing is changed there."
          placeholder="http://10.0.0.4:9901"
          autoComplete="off"
          spellCheck={false}
          maxLength={2_048}
          field={register('where')}
          problem={problemOf('where')}
        />
        <Field label="Kind">
          {({ id }) => (
            <select
              id={id}
              className={controlClass}
              value={kind}
              onChange={(event) => setValue('kind', event.target.value)}
            >
              <option value="">find out</option>
              {NODE_KINDS.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          )}
        </Field>
        <div className="sm:pt-6">
          <Button type="submit" tone="primary" aria-disabled={probe.isPending || undefined}>
            {probe.isPending ? 'Looking …' : 'Look'}
          </Button>
        </div>
        <CredentialFields register={register} problemOf={problemOf} />
      </form>
      {probe.error && (
        <p role="alert" className="mt-3 text-down">
          {errorText(probe.error)}
        </p>
      )}
      {probe.data && !probe.isPending && <ProbeResult found={probe.data} />}
    </Panel>
  )
}
