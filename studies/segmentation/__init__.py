"""Tables 5 to 7, Figures 6 to 8: segmentation of whole images, in tiles and near the border.

`python main.py segmentation RUNS` reads the EvaluationRecords that `main.py test` wrote into RUN/evaluations/; with
--test it runs the missing tests, with --pictures it draws the figures. A reader starts at `evaluations.py`.
"""
