/** The look of inputs, selects and text areas. */
export const controlClass =
  'min-h-8 w-full rounded-[4px] border border-hairline-strong bg-raised px-2.5 py-1 text-sm text-ink placeholder:text-faint aria-invalid:border-down max-sm:min-h-10 max-sm:text-base'
