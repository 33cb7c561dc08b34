#!/bin/bash
# Installs `make check` as the pre-commit hook of this clone. `git commit --no-verify` skips it.
set -euo pipefail
cd "$(dirname "$0")/.."

hook=$(git rev-parse --git-path hooks)/pre-commit
mark="# Installed by scripts/install-hooks.sh."
if [ -e "$hook" ] && ! grep -qxF "$mark" "$hook"; then
    echo "hooks: $hook exists already; add \"make check\" to it, or remove it and try again." >&2
    exit 1
fi
mkdir -p "$(dirname "$hook")"
cat >"$hook" <<END
#!/bin/sh
$mark
# git tells a hook which repository it runs for, which must not mislead the git of the checks.
unset \$(git rev-parse --local-env-vars)
exec make --no-print-directory check
END
chmod 755 "$hook"
echo "hooks: \"make check\" runs before each commit; \"git commit --no-verify\" skips it."
