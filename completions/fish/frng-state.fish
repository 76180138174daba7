# fish completion for frng-state

complete -c frng-state -n __fish_use_subcommand -x -a 'show check diff who import export'
complete -c frng-state -s f -l format -x -a 'fakeroot fakeroot-ng pseudo mtree device-table' -d 'Whose file it is'
complete -c frng-state -s t -l tree -x -a '(__fish_complete_directories)' -d 'Where files are that have a lie'
complete -c frng-state -l repair -d 'check mends the state'
complete -c frng-state -l owner -x -d 'Only lies of this owner'
complete -c frng-state -l mode -x -d 'Only lies of this mode'
complete -c frng-state -l type -x -a 'f d l c b p s' -d 'Only lies of this type'
complete -c frng-state -s h -l help -d 'Help'
