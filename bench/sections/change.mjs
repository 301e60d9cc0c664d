export const title = "change"; export async function measure(){return {}} export function report(){return "x"}
