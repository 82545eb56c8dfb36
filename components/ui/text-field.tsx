import type { InputHTMLAttributes, ReactNode } from 'react'
import type { UseFormRegisterReturn } from 'react-hook-form'
import { controlClass } from './control-class.ts'
import { Field } from './field.tsx'

/** A line of text in a form: its label, its hint, and what is wrong with it. */
export function TextField({
  label,
  hint,
  problem,
  field,
  ...input
}: {
  label: string
  hint?: ReactNode
  problem: string | undefined
  /** What `register` answered for it. */
  field: UseFormRegisterReturn
} & Omit<InputHTMLAttributes<HTMLInputElement>, 'name' | 'onChange' | 'onBlur'>) {
  return (
    <Field label={label} hint={hint} problem={problem}>
      {(ids) => <input {...ids} className={controlClass} {...input} {...field} />}
    </Field>
  )
}
