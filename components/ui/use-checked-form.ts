import { type DefaultValues, type FieldValues, type Path, type Resolver, useForm } from 'react-hook-form'
import type { z } from 'zod'
import { checkValue } from '@/server/contract/issue-words.ts'

/** What is wrong, one sentence a field; empty where nothing is. */
export type Problems = Readonly<Record<string, string | undefined>>
/** What a form holds, ready to be sent, or what is wrong with it. */
export type Checked<Values> = { values: Values } | { problems: Problems }

/** The contract says what is wrong after a field's name; under the field it is a sentence of its own. */
export const asSentence = (message: string | undefined): string | undefined =>
  message
    ? `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? '' : '.'}`
    : undefined

/** Checks with a schema of the contract: the server would answer alike. `words` replaces a sentence that is not for people. */
export const bySchema =
  <Values extends FieldValues>(schema: z.ZodType<Values, Values>, words: Problems = {}) =>
  (values: Values): Checked<Values> => {
    const checked = checkValue(schema, values)
    if (checked.success) return { values: checked.data }
    const problems: Record<string, string> = {}
    for (const { path, message } of checked.error.issues) {
      const field = String(path[0] ?? '')
      problems[field] ??= words[field] ?? message
    }
    return { problems }
  }

/**
 * A form that is checked when it is sent, and from then on at every change; the first field that is wrong gets the focus. A button is
 * never greyed out because something is missing: each field says what it still needs.
 */
export const useCheckedForm = <Values extends FieldValues>(
  check: (values: Values) => Checked<Values>,
  defaultValues: DefaultValues<Values>,
) => {
  const resolver: Resolver<Values> = (values) => {
    const checked = check(values)
    const problems = 'problems' in checked ? Object.entries(checked.problems) : []
    const errors = Object.fromEntries(
      problems.flatMap(([field, message]) => (message ? [[field, { type: 'check', message }]] : [])),
    )
    return 'values' in checked
      ? { values: checked.values, errors: {} }
      : { values: {}, errors: errors as never }
  }
  const form = useForm<Values>({ resolver, defaultValues })
  const errors = form.formState.errors as Record<string, { message?: unknown } | undefined>
  return {
    ...form,
    /** What is wrong with a field, in a sentence. */
    problemOf: (field: string): string | undefined => {
      const message = errors[field]?.message
      return typeof message === 'string' ? asSentence(message) : undefined
    },
    /** Puts what the server found wrong beside the fields that the form has; returns whether there was any. */
    showProblems: (problems: Problems): boolean => {
      const fields = Object.keys(form.getValues())
      const shown = Object.entries(problems).filter(([path, message]) => message && fields.includes(path))
      for (const [path, message] of shown) form.setError(path as Path<Values>, { message: message ?? '' })
      return shown.length > 0
    },
  }
}
