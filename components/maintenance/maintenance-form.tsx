'use client'

import { parseAsString, useQueryStates } from 'nuqs'
import { useWatch } from 'react-hook-form'
import { toast } from 'sonner'
import { maintenanceSubject } from '@/server/contract/maintenance.ts'
import { serverNow } from '../data/clock.ts'
import { errorText, problemsByPath } from '../data/error-text.ts'
import { useMaintenanceChanges } from '../data/maintenance.ts'
import { useMay, useMe } from '../data/me.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { TextField } from '../ui/text-field.tsx'
import { useCheckedForm } from '../ui/use-checked-form.ts'
import { useZone } from '../ui/zone.ts'
import { PartsChoice } from './parts-choice.tsx'
import { LENGTHS, NEW_WINDOW, type WindowValues, windowRequest } from './window-request.ts'

/** Announces a window: for an hour, starting now, unless something else is chosen. */
export function MaintenanceForm() {
  const me = useMe()
  const may = useMay('operator')
  const zone = useZone()
  const { data: overview } = useOverview()
  const { announce } = useMaintenanceChanges()
  const [asked] = useQueryStates({ region: parseAsString, node: parseAsString })
  const parts = [
    ...(asked.region ? [`region:${asked.region}`] : []),
    ...(asked.node ? [`node:${asked.node}`] : []),
  ]
  const { register, handleSubmit, reset, problemOf, showProblems, control } = useCheckedForm<WindowValues>(
    (values) => {
      const checked = windowRequest(values, serverNow(), zone)
      return 'values' in checked ? { values } : checked
    },
    { ...NEW_WINDOW, parts },
  )
  const of = useWatch({ control, name: 'of' })
  if (me.data && !may)
    return (
      <p className="border-hairline border-t pt-3 text-soft">
        Announcing maintenance needs the operator role; yours is {me.data.role}.
      </p>
    )
  const submit = handleSubmit((values) => {
    const checked = windowRequest(values, serverNow(), zone)
    if (announce.isPending || !('values' in checked)) return
    announce.mutate(checked.values, {
      onSuccess: (window) => {
        reset(NEW_WINDOW)
        toast(`Maintenance of ${maintenanceSubject(window)} is ${window.state}.`)
      },
      onError: (error) => {
        const { from, to, ...rest } = problemsByPath(error)
        showProblems({ ...rest, begins: from ?? to })
      },
    })
  })
  return (
    <Panel title="Announce maintenance">
      <form noValidate onSubmit={submit} className="grid gap-6 lg:grid-cols-2 lg:gap-10">
        <div className="grid content-start gap-4">
          <TextField
            label="What"
            placeholder="Kernel update"
            maxLength={200}
            field={register('title')}
            problem={problemOf('title')}
          />
          <TextField
            label="Why"
            hint="Whoever is on call reads it."
            maxLength={500}
            field={register('reason')}
            problem={problemOf('reason')}
          />
          <div className="grid grid-cols-[minmax(0,1fr)_8rem] items-start gap-3">
            <TextField
              label={`Begins, ${zone === 'utc' ? 'UTC' : 'local time'}`}
              hint="Empty: now."
              type="datetime-local"
              field={register('begins')}
              problem={problemOf('begins')}
            />
            <Field label="For" problem={problemOf('to')}>
              {(ids) => (
                <select {...ids} className={controlClass} {...register('length')}>
                  {LENGTHS.map(({ ms, label }) => (
                    <option key={ms} value={ms}>
                      {label}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          </div>
        </div>
        <fieldset className="grid content-start gap-2">
          <legend className="mb-1 font-medium">What it covers</legend>
          <label className="flex min-h-8 items-center gap-2">
            <input type="radio" value="some" {...register('of')} /> Regions and nodes
          </label>
          {of !== 'all' && <PartsChoice fleet={overview} asked={asked.node} register={register} />}
          <label className="flex min-h-8 items-center gap-2">
            <input type="radio" value="all" {...register('of')} /> The whole fleet
          </label>
          {problemOf('parts') && (
            <p role="alert" className="text-down">
              {problemOf('parts')}
            </p>
          )}
        </fieldset>
        <div className="grid gap-2 lg:col-span-2">
          {announce.error && (
            <p role="alert" className="text-down">
              {errorText(announce.error)}
            </p>
          )}
          <div>
            <Button type="submit" tone="primary" aria-disabled={announce.isPending || undefined}>
              {announce.isPending ? 'Announcing…' : 'Announce maintenance'}
            </Button>
          </div>
        </div>
      </form>
    </Panel>
  )
}
