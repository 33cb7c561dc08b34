/** What an error of the device means, for people. */

import { t } from "../text";
import type { NameFault } from "./names";

/** The end of a sentence: why something could not be done. */
export function errorReason(error: unknown): string {
  const status = (error as { status?: unknown } | null)?.status;
  switch (status) {
    case undefined:
    case 0:
    case null:
      return t("filesNoAnswer");
    case 403:
      return t("filesReasonRights");
    case 404:
      return t("filesReasonMissing");
    case 412:
      return t("filesReasonTaken");
    case 413:
      return t("filesReasonLarge");
    case 503:
      return t("filesReasonBusy");
    case 507:
      return t("filesReasonFull");
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

export function nameFaultText(fault: NameFault): string {
  switch (fault) {
    case "empty":
      return t("filesNameEmpty");
    case "slash":
      return t("filesNameSlash");
    case "dots":
      return t("filesNameDots");
    case "long":
      return t("filesNameLong");
    case "reserved":
      return t("filesNameReserved");
    case "control":
      return t("filesNameControl");
  }
}
